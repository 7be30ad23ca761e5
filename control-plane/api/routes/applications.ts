import express, { type Request } from 'express';
import { z } from 'zod';
import { role } from '../../../contracts/principal.ts';
import { isCidr } from '../../access/addresses.ts';
import { actions } from '../../access/roles.ts';
import {
  applicationsOf,
  type ApplicationContext,
  createApplication,
  deleteApplication,
  editApplication,
  readApplication,
  revokeKeyOf,
  rotateKey,
} from '../applications.ts';
import { callerOf } from '../authenticate.ts';
import { listNotices } from '../key-notices.ts';
import { demand, parse, type Routes } from './support.ts';

const scopes = z.strictObject({
  services: z
    .array(z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'Expected the name of a service'))
    .min(1)
    .max(100)
    .optional(),
  actions: z.array(z.enum(actions)).min(1).max(50).optional(),
  cidrs: z.array(z.string().refine(isCidr, 'Expected a CIDR, such as 10.0.0.0/8')).min(1).max(100).optional(),
});

const name = z.string().trim().min(1).max(100);
const description = z.string().trim().max(500);
const department = z.string().trim().max(100);
const expiresAt = z.iso.datetime({ offset: true });
const keyDays = z.int().min(1).max(365).default(90);

const newApplication = z.strictObject({
  name,
  description: description.default(''),
  department: department.default(''),
  role: role.default('editor'),
  scopes: scopes.default({}),
  expiresAt: expiresAt.optional(),
  keyDays,
});

const changes = z.strictObject({
  name: name.optional(),
  description: description.optional(),
  department: department.optional(),
  role: role.optional(),
  scopes: scopes.optional(),
  expiresAt: expiresAt.nullable().optional(),
});

const rotation = z.strictObject({ keyDays, overlapDays: z.int().min(0).max(30).default(14) });

const body = express.json({ limit: '20kb' });
type ById = Request<{ id: string }>;
type ByKey = Request<{ id: string; key: string }>;

/** Applications of the caller's own; administrators have those of the tenant. */
export const applicationRoutes: Routes = (app, { db, surroundings, identity }) => {
  const context: ApplicationContext = { db, surroundings, tools: identity };

  app.get('/api/v1/applications', async (request, response) => {
    response.json({ applications: await applicationsOf(context, callerOf(request).principal) });
  });

  app.post('/api/v1/applications', body, async (request, response) => {
    const wanted = parse(newApplication, request.body);
    response.status(201).json(await createApplication(context, callerOf(request).principal, wanted));
  });

  app.get('/api/v1/applications/:id', async (request: ById, response) => {
    response.json(await readApplication(context, callerOf(request).principal, request.params.id));
  });

  app.patch('/api/v1/applications/:id', body, async (request: ById, response) => {
    const wanted = parse(changes, request.body);
    response.json(await editApplication(context, callerOf(request).principal, request.params.id, wanted));
  });

  app.delete('/api/v1/applications/:id', async (request: ById, response) => {
    await deleteApplication(context, callerOf(request).principal, request.params.id);
    response.status(204).end();
  });

  app.post('/api/v1/applications/:id/keys', body, async (request: ById, response) => {
    const wanted = parse(rotation, request.body);
    const made = await rotateKey(context, callerOf(request).principal, request.params.id, wanted);
    response.status(201).json(made);
  });

  app.delete('/api/v1/applications/:id/keys/:key', async (request: ByKey, response) => {
    const { id, key } = request.params;
    await revokeKeyOf(context, callerOf(request).principal, id, key);
    response.status(204).end();
  });

  app.get('/api/v1/key-notices', async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'keys:manage', 'key', caller.id);
    response.json({ notices: await listNotices(context, caller) });
  });
};
