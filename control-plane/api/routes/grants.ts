import express, { type Request } from 'express';
import { z } from 'zod';
import { listGrants } from '../../access/store/grants.ts';
import { giveGrant, grantView, withdrawGrant } from '../access/grants.ts';
import { conditions, expiresAt, permission, subject } from '../access/schemas.ts';
import { callerOf } from '../authenticate.ts';
import { demand, parse, type Routes } from './support.ts';

const newGrant = permission.extend({
  subject: z.strictObject({ ...subject.shape, id: subject.shape.id.max(200) }),
  conditions: conditions.optional(),
  expiresAt: expiresAt.optional(),
  note: z.string().trim().max(500).default(''),
});

const page = z
  .strictObject({
    kind: subject.shape.kind.optional(),
    subject: z.string().min(1).max(200).optional(),
    after: z.uuid().optional(),
    limit: z.coerce.number().int().min(1).max(1000).default(200),
  })
  .refine(({ kind, subject: one }) => (kind === undefined) === (one === undefined), {
    message: 'kind and subject belong together',
  });

/** Rights that are given to one principal, to the members of a project, or to all who have a role. */
export const grantRoutes: Routes = (app, context) => {
  app.get('/api/v1/grants', async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'members:manage', 'account');
    const { kind, subject: one, after, limit } = parse(page, request.query);
    const of = kind === undefined || one === undefined ? undefined : { kind, id: one };
    const grants = await listGrants(context.db, caller.tenant, { subject: of, after, limit });
    response.json({ grants: grants.map(grantView) });
  });

  app.post('/api/v1/grants', express.json({ limit: '100kb' }), async (request, response) => {
    const wanted = parse(newGrant, request.body);
    response.status(201).json(await giveGrant(context, callerOf(request).principal, wanted));
  });

  app.delete('/api/v1/grants/:id', async (request: Request<{ id: string }>, response) => {
    const { id } = parse(z.strictObject({ id: z.uuid() }), request.params);
    await withdrawGrant(context, callerOf(request as Request).principal, id);
    response.status(204).end();
  });
};
