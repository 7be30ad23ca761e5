import express, { type Request } from 'express';
import { z } from 'zod';
import { listRoles } from '../../access/store/roles.ts';
import { builtInRoles } from '../../access/roles.ts';
import { defineRole, giveRole, membersOf, removeRole, takeRole } from '../access/roles.ts';
import { conditions, id, permission, roleName } from '../access/schemas.ts';
import { callerOf } from '../authenticate.ts';
import { type Caller, demand, parse, type Routes } from './support.ts';

const definition = z.strictObject({
  description: z.string().trim().max(500).default(''),
  permissions: z.array(permission).min(1).max(50),
  conditions: conditions.optional(),
});
const place = z.strictObject({ name: roleName });
const assignment = z.strictObject({ name: roleName, principal: id });

type ByName = Request<{ name: string }>;
type ByPrincipal = Request<{ name: string; principal: string }>;

/** Roles that a tenant's administrators make, besides the built-in ones. */
export const roleRoutes: Routes = (app, context) => {
  const administrator = (request: Request): Caller => {
    const caller = callerOf(request).principal;
    demand(caller, 'members:manage', 'account');
    return caller;
  };

  app.get('/api/v1/roles', async (request, response) => {
    const { tenant } = administrator(request);
    const roles = await listRoles(context.db, tenant);
    response.json({
      builtIn: Object.entries(builtInRoles).map(([name, permissions]) => ({ name, ...permissions })),
      roles: roles.map(({ conditions: when, ...role }) => ({
        ...role,
        ...(when === null ? {} : { conditions: when }),
      })),
    });
  });

  app.put('/api/v1/roles/:name', express.json({ limit: '200kb' }), async (request: ByName, response) => {
    const caller = administrator(request as Request);
    const { name } = parse(place, request.params);
    const { made } = await defineRole(context, caller, { name, ...parse(definition, request.body) });
    response.status(made ? 201 : 204).end();
  });

  app.delete('/api/v1/roles/:name', async (request: ByName, response) => {
    await removeRole(context, administrator(request as Request), parse(place, request.params).name);
    response.status(204).end();
  });

  app.get('/api/v1/roles/:name/members', async (request: ByName, response) => {
    const caller = administrator(request as Request);
    response.json({ members: await membersOf(context, caller, parse(place, request.params).name) });
  });

  app.put('/api/v1/roles/:name/members/:principal', async (request: ByPrincipal, response) => {
    await giveRole(context, administrator(request as Request), parse(assignment, request.params));
    response.status(204).end();
  });

  app.delete('/api/v1/roles/:name/members/:principal', async (request: ByPrincipal, response) => {
    await takeRole(context, administrator(request as Request), parse(assignment, request.params));
    response.status(204).end();
  });
};
