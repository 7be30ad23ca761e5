import express, { type Express } from 'express';
import { z } from 'zod';
import type { Snapshot } from '../../contracts/snapshot.ts';
import { refusal } from '../../foundation/errors.ts';
import type { Database } from '../database/schema.ts';
import { makeBreakGlass } from './break-glass.ts';
import type { IdentityTools } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';
import { parse } from './routes/support.ts';
import { signIn } from './sign-in.ts';

const basicRequest = z.strictObject({
  tenant: z.string().min(1).max(100),
  login: z.string().min(1).max(200),
  password: z.string().min(1).max(1024),
  clientIp: z.string().max(100),
});

const breakGlassRequest = z.strictObject({ tenant: z.string().min(1) });

export interface IdentityInternalContext {
  db: Database;
  tenants: Snapshot['tenants'];
  tools: IdentityTools;
  surroundings: Surroundings;
}

const REFUSED = { en: 'The credentials are refused.', zh: '凭据未通过验证。' };

/** What gateways and operators ask with the internal token. */
export function identityInternalRoutes(app: Express, context: IdentityInternalContext): void {
  const { db, tenants, tools, surroundings } = context;
  const body = express.json({ limit: '4kb' });

  /** HTTP Basic: once for each credential, then the gateway remembers for a while. */
  app.post('/internal/v1/basic', body, async (request, response) => {
    const { clientIp, ...credentials } = parse(basicRequest, request.body);
    const policy = tenants[credentials.tenant];
    const found =
      policy?.access.basic === true
        ? await signIn(
            { ...credentials, code: undefined },
            { db, tools, surroundings, policy, clientIp, via: 'basic' },
          )
        : undefined;
    if (found === undefined) throw refusal('access_denied', { rule: 'http-basic', reason: REFUSED });
    response.json({ principal: found.principal.id, epoch: found.epoch });
  });

  app.post('/internal/v1/break-glass', body, async (request, response) => {
    const { tenant } = parse(breakGlassRequest, request.body);
    if (!Object.hasOwn(tenants, tenant)) throw refusal('tenant_not_found', { tenant });
    response.status(201).json(await makeBreakGlass(db, tenant, tools, surroundings));
  });
}
