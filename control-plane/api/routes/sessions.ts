import express, { type Request } from 'express';
import { z } from 'zod';
import type { Principal } from '../../../contracts/principal.ts';
import { refusal } from '../../../foundation/errors.ts';
import { listSessions } from '../../identity/sessions.ts';
import { callerOf } from '../authenticate.ts';
import { endAllSessions, endOneSession } from '../sessions.ts';
import { decisionFor, demand, parse, type Routes } from './support.ts';

const listQuery = z.strictObject({ principal: z.string().min(1).max(200).optional() });
const endBody = z.strictObject({ principal: z.string().min(1).max(200).optional() });

/** Everybody's own sessions; those of others for who manages members. */
export const sessionRoutes: Routes = (app, { db, surroundings }) => {
  const mayAll = (caller: Principal): boolean => decisionFor(caller, 'members:manage', 'api').allow;
  const actorOf = (caller: Principal, own: boolean): { id: string; tenant: string; rule: string } => ({
    id: caller.id,
    tenant: caller.tenant,
    rule: own ? 'own-session' : `role:${caller.role}`,
  });

  app.get('/api/v1/sessions', async (request, response) => {
    const caller = callerOf(request).principal;
    const { principal } = parse(listQuery, request.query);
    if (principal !== undefined && principal !== caller.id) demand(caller, 'members:manage', 'api');
    const which = { tenant: caller.tenant, principal: principal ?? (mayAll(caller) ? undefined : caller.id) };
    response.json({ sessions: await listSessions(db, which, surroundings.now()) });
  });

  app.delete('/api/v1/sessions/:id', async (request: Request<{ id: string }>, response) => {
    const caller = callerOf(request).principal;
    const all = mayAll(caller);
    const which = { id: request.params.id, principal: all ? undefined : caller.id };
    if (!(await endOneSession(db, actorOf(caller, !all), which, surroundings)))
      throw refusal('session_not_found');
    response.status(204).end();
  });

  app.post('/api/v1/sessions/end-all', express.json({ limit: '1kb' }), async (request, response) => {
    const caller = callerOf(request).principal;
    const { principal = caller.id } = parse(endBody, request.body);
    const own = principal === caller.id;
    if (!own) demand(caller, 'members:manage', 'api');
    if (!(await endAllSessions(db, actorOf(caller, own), principal, surroundings)))
      throw refusal('principal_not_found', { principal });
    response.status(204).end();
  });
};
