import express, { type Express, type Request, type RequestHandler } from 'express';
import { z } from 'zod';
import { type Principal, role } from '../../contracts/principal.ts';
import type { Snapshot } from '../../contracts/snapshot.ts';
import { RequestError } from '../../foundation/errors.ts';
import { errorHandler } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import { addressSet } from '../access/addresses.ts';
import { decide } from '../access/decide.ts';
import { canGrant } from '../access/grant.ts';
import type { Action } from '../access/roles.ts';
import { listAudit } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { listKeys } from '../identity/store.ts';
import { usageReport } from '../quota/usage-report.ts';
import { callerOf } from './authenticate.ts';
import { databaseErrors } from './database-errors.ts';
import { issueKey, type Surroundings, withdrawKey } from './keys.ts';

interface PublicOptions {
  db: Database;
  tenants: Snapshot['tenants'];
  authenticate: RequestHandler;
  surroundings: Surroundings;
  logger: Logger;
}

const newKey = z.strictObject({
  name: z.string().trim().min(1).max(100),
  department: z.string().trim().max(100).default(''),
  role: role.default('editor'),
  expiresInDays: z.int().min(1).max(365).default(90),
});

const auditPage = z.strictObject({
  before: z.uuid().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

/** The address was judged by the gateway, before the request came here. */
const FROM_GATEWAY = { address: '', tenant: { allowedAddresses: addressSet([]) } };

/** `/api/v1`: what a principal of a tenant may see and change of it. The tenant is the caller's, never the request's. */
export function createPublicApi(options: PublicOptions): Express {
  const { db, tenants, authenticate, surroundings, logger } = options;
  const app = express().disable('x-powered-by').set('etag', false);
  app.use('/api/v1', authenticate);

  app.get('/api/v1/me', (request, response) => {
    response.json(callerOf(request).principal);
  });

  app.get('/api/v1/usage', async (request, response) => {
    const caller = callerOf(request).principal;
    const all = may(caller, 'usage:read', 'usage');
    if (!all) demand(caller, 'usage:read', 'usage', caller.id);
    const limits = tenants[caller.tenant]?.limits;
    response.json(
      await usageReport(
        db,
        { tenant: caller.tenant, ...(all ? {} : { principal: caller.id }) },
        { day: limits?.requestsPerDay ?? 0, month: limits?.requestsPerMonth ?? 0 },
        surroundings.now(),
      ),
    );
  });

  app.get('/api/v1/keys', async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'keys:manage', 'key');
    response.json({ keys: await listKeys(db, caller.tenant) });
  });

  app.post('/api/v1/keys', express.json({ limit: '10kb' }), async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'keys:manage', 'key');
    const wanted = parse(newKey, request.body);
    if (!canGrant(caller.role, wanted.role))
      throw new RequestError(
        403,
        'grant_exceeds_own',
        `The role ${wanted.role} may do more than yours, ${caller.role}. Ask somebody who holds it.`,
      );
    response.status(201).json(await issueKey(db, caller, wanted, surroundings));
  });

  app.delete('/api/v1/keys/:id', async (request: Request<{ id: string }>, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'keys:manage', 'key');
    await withdrawKey(db, caller, request.params.id, surroundings);
    response.status(204).end();
  });

  app.get('/api/v1/audit', async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'audit:read', 'audit');
    response.json({ records: await listAudit(db, caller.tenant, parse(auditPage, request.query)) });
  });

  app.use((request) => {
    throw new RequestError(404, 'not_found', `There is nothing at ${request.method} ${request.path}.`);
  });
  app.use(databaseErrors);
  app.use(errorHandler(logger));
  return app;
}

function decision(caller: Principal, action: Action, kind: 'key' | 'usage' | 'audit', owner?: string) {
  const resource = { kind, tenant: caller.tenant, ...(owner === undefined ? {} : { owner }) };
  return decide(caller, action, resource, FROM_GATEWAY);
}

function may(...question: Parameters<typeof decision>): boolean {
  return decision(...question).allow;
}

function demand(...question: Parameters<typeof decision>): void {
  const { allow, reason, rule } = decision(...question);
  if (!allow) throw new RequestError(403, 'not_allowed', reason, { details: { rule } });
}

function parse<S extends z.ZodType>(schema: S, value: unknown): z.infer<S> {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message }));
  const first = problems[0];
  throw new RequestError(
    400,
    'invalid_field',
    `${first === undefined || first.field === '' ? 'The request' : `The field ${first.field}`} is wrong: ${first?.message ?? 'unknown'}.`,
    { details: { problems } },
  );
}
