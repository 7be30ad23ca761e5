import { z } from 'zod';
import { refusal } from '../../../foundation/errors.ts';
import { signIn } from '../sign-in.ts';
import { type AuthRoutes, clientOf } from './context.ts';
import { startSession } from './finish.ts';
import { safeNext } from './next.ts';
import { formBody, formOf } from './sign-in.ts';

const localForm = z.object({
  /** `{tenant}/{login}`. */
  account: z.string().max(320),
  password: z.string().max(1024),
  code: z.string().max(64).optional(),
  next: z.string().optional(),
});

/** Local accounts: name, password, and the second factor of those who have one. */
export const localRoutes: AuthRoutes = (app, context) => {
  const { db, tenants, identity: tools, surroundings } = context;

  app.post('/auth/local', formBody, async (request, response) => {
    const { account, password, code = '', next } = formOf(localForm, request);
    const slash = account.indexOf('/');
    const tenant = account.slice(0, Math.max(0, slash)).trim();
    const login = account.slice(slash + 1).trim();
    const signedIn = await signIn(
      { tenant, login, password, code: code.trim() === '' ? undefined : code.trim() },
      {
        db,
        tools,
        surroundings,
        policy: Object.hasOwn(tenants, tenant) ? tenants[tenant] : undefined,
        clientIp: clientOf(request).address,
        via: 'page',
      },
    );
    if (signedIn === undefined) throw refusal('credentials_wrong');
    await startSession(context, request, response, {
      principal: signedIn.principal.id,
      tenant: signedIn.principal.tenant,
      amr: signedIn.amr,
      rule: 'password',
      next: safeNext(next),
    });
  });
};
