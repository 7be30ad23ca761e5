import { z } from 'zod';
import type { Principal } from '../../../contracts/principal.ts';
import { refusal } from '../../../foundation/errors.ts';
import { listSessions } from '../../identity/sessions.ts';
import { byId, id, time } from '../fields.ts';
import { needsUnlessOwn, done, ok, operation, type Operation } from '../operation.ts';
import { endAllSessions, endOneSession } from '../sessions.ts';
import { decisionFor, demand } from './support.ts';

const session = z
  .strictObject({
    id: z.string(),
    principal: z.string(),
    name: z.string(),
    provider: z.string().nullable(),
    key: z.string().nullable().describe('The API key that it lives and dies with'),
    amr: z.array(z.string()).describe('How the person was authenticated (RFC 8176)'),
    createdAt: time,
    renewedAt: time,
    expiresAt: time,
    clientIp: z.string(),
    userAgent: z.string(),
  })
  .meta({ id: 'Session' });

const ofSomebody = z.strictObject({ principal: id.optional() });
const subject = 'sessions';
const access = needsUnlessOwn('members:manage', 'api');

const mayAll = (caller: Principal): boolean => decisionFor(caller, 'members:manage', 'api').allow;
const actorOf = (caller: Principal, own: boolean): { id: string; tenant: string; rule: string } => ({
  id: caller.id,
  tenant: caller.tenant,
  rule: own ? 'own-session' : `role:${caller.role}`,
});

/** Everybody's own sessions; those of others for who manages members. */
export const sessionOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/sessions',
    summary: {
      en: "Sessions in force: one's own, or for administrators all",
      zh: '列出有效会话：自己的会话；管理员可查看全部',
    },
    query: ofSomebody,
    answers: { 200: z.strictObject({ sessions: z.array(session) }) },
    errors: [],
    ...{ subject, access },
    async handle({ caller, query: { principal } }, { db, surroundings }) {
      if (principal !== undefined && principal !== caller.id) demand(caller, 'members:manage', 'api');
      const which = {
        tenant: caller.tenant,
        principal: principal ?? (mayAll(caller) ? undefined : caller.id),
      };
      return ok({ sessions: await listSessions(db, which, surroundings.now()) });
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/sessions/{id}',
    summary: { en: 'Ends one session', zh: '结束一个会话' },
    params: byId,
    answers: { 204: null },
    errors: ['session_not_found'],
    ...{ subject, access },
    async handle({ caller, params }, { db, surroundings }) {
      const all = mayAll(caller);
      const which = { id: params.id, principal: all ? undefined : caller.id };
      if (!(await endOneSession(db, actorOf(caller, !all), which, surroundings)))
        throw refusal('session_not_found');
      return done;
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/sessions/end-all',
    summary: { en: 'Ends all sessions of a principal', zh: '结束某个主体的所有会话' },
    body: ofSomebody,
    answers: { 204: null },
    errors: ['principal_not_found'],
    ...{ subject, access },
    async handle({ caller, body: { principal = caller.id } }, { db, surroundings }) {
      const own = principal === caller.id;
      if (!own) demand(caller, 'members:manage', 'api');
      if (!(await endAllSessions(db, actorOf(caller, own), principal, surroundings)))
        throw refusal('principal_not_found', { principal });
      return done;
    },
  }),
];
