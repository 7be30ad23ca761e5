import express, { type Request } from 'express';
import { z } from 'zod';
import { role } from '../../../contracts/principal.ts';
import {
  accountsOf,
  type AccountVerb,
  actOnAccount,
  changeAccount,
  createAccount,
  inviteAgain,
} from '../accounts.ts';
import { callerOf } from '../authenticate.ts';
import {
  beginSecondFactor,
  changeOwnPassword,
  confirmSecondFactor,
  type OwnAccountContext,
  removeSecondFactor,
} from '../own-account.ts';
import { demand, parse, type Routes } from './support.ts';

/** No `:`, which HTTP Basic cannot carry, no `/`, which parts it from the tenant; `break-glass` is the product's. */
const login = z
  .string()
  .toLowerCase()
  .regex(/^[a-z0-9](?:[a-z0-9._@+-]{0,98}[a-z0-9])?$/, 'Expected letters, digits, and . _ @ + - between them')
  .refine((text) => text !== 'break-glass', 'This name is reserved');

const name = z.string().trim().min(1).max(100);
const department = z.string().trim().max(100);
const email = z.union([z.literal(''), z.email().max(200)]);
const expiresAt = z.iso.datetime({ offset: true });
const inviteDays = z.int().min(1).max(30);

const newAccount = z.strictObject({
  login,
  name,
  department: department.default(''),
  role: role.default('viewer'),
  email: email.default(''),
  expiresAt: expiresAt.optional(),
  inviteDays: inviteDays.default(7),
});

const accountChanges = z.strictObject({
  name: name.optional(),
  department: department.optional(),
  role: role.optional(),
  email: email.optional(),
  expiresAt: expiresAt.nullable().optional(),
});

const invitation = z.strictObject({ inviteDays: inviteDays.default(7) });
const password = z.string().min(1).max(1024);
const passwordChange = z.strictObject({ current: password, password });
const withPassword = z.strictObject({ password });
const withCode = z.strictObject({ password, code: z.string().min(6).max(20) });

const body = express.json({ limit: '10kb' });
type ById = Request<{ id: string }>;

/** Local accounts: an administrator's work. */
export const accountRoutes: Routes = (app, context) => {
  const administrator = (request: Request): ReturnType<typeof callerOf>['principal'] => {
    const caller = callerOf(request).principal;
    demand(caller, 'members:manage', 'account');
    return caller;
  };

  app.get('/api/v1/accounts', async (request, response) => {
    response.json({ accounts: await accountsOf(context, administrator(request)) });
  });

  app.post('/api/v1/accounts', body, async (request, response) => {
    const caller = administrator(request);
    response.status(201).json(await createAccount(context, caller, parse(newAccount, request.body)));
  });

  app.patch('/api/v1/accounts/:id', body, async (request: ById, response) => {
    const caller = administrator(request);
    const changes = parse(accountChanges, request.body);
    response.json(await changeAccount(context, caller, request.params.id, changes));
  });

  app.post('/api/v1/accounts/:id/invitation', body, async (request: ById, response) => {
    const caller = administrator(request);
    const { inviteDays: days } = parse(invitation, request.body);
    response.status(201).json(await inviteAgain(context, caller, request.params.id, days));
  });

  const verbs: AccountVerb[] = ['disable', 'enable', 'unlock', 'end-sessions', 'reset-second-factor'];
  for (const verb of verbs)
    app.post(`/api/v1/accounts/:id/${verb}`, async (request: ById, response) => {
      await actOnAccount(context, administrator(request), request.params.id, verb);
      response.status(204).end();
    });

  app.delete('/api/v1/accounts/:id', async (request: ById, response) => {
    await actOnAccount(context, administrator(request), request.params.id, 'delete');
    response.status(204).end();
  });
};

/** What people change about their own account, each with their password once more. */
export const ownAccountRoutes: Routes = (app, { identity: tools, ...context }) => {
  const own: OwnAccountContext = { ...context, tools };

  app.post('/api/v1/me/password', body, async (request, response) => {
    const { id } = callerOf(request).principal;
    await changeOwnPassword(own, id, parse(passwordChange, request.body));
    response.status(204).end();
  });

  app.post('/api/v1/me/second-factor', body, async (request, response) => {
    const { id } = callerOf(request).principal;
    const given = parse(withPassword, request.body);
    response.status(201).json(await beginSecondFactor(own, id, given.password));
  });

  app.post('/api/v1/me/second-factor/confirm', body, async (request, response) => {
    const { id } = callerOf(request).principal;
    const given = parse(withCode, request.body);
    response.json({ recoveryCodes: await confirmSecondFactor(own, id, given) });
  });

  app.delete('/api/v1/me/second-factor', body, async (request, response) => {
    const { id } = callerOf(request).principal;
    await removeSecondFactor(own, id, parse(withPassword, request.body).password);
    response.status(204).end();
  });
};
