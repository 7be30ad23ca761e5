import { randomBytes } from 'node:crypto';
import express, { type Express } from 'express';
import type { JWK, JWTVerifyGetKey } from 'jose';
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { PrincipalEntry } from '../../../contracts/principal.ts';
import type { TenantPolicy } from '../../../contracts/snapshot.ts';
import { installAuth } from '../../../control-plane/api/auth/app.ts';
import { requireAuthAssertion } from '../../../control-plane/api/auth/context.ts';
import { createAuthContext } from '../../../control-plane/api/auth/setup.ts';
import { createIdentityTools } from '../../../control-plane/api/identity-tools.ts';
import { kyselyOn } from '../../../control-plane/database/schema.ts';
import { insertKey, insertPrincipal } from '../../../control-plane/identity/store.ts';
import { errorHandler } from '../../../foundation/http.ts';
import { createLogger } from '../../../foundation/logger.ts';
import { createReplayCache } from '../../../foundation/replay-cache.ts';

export interface AuthApp {
  app: Express;
  /** Verifies the sessions that it makes. */
  publicKeys: JWK[];
}

/** The API's own `/auth`, with the people of the snapshot in the database. */
export async function createAuthApp(world: {
  db: pg.Pool;
  jwks: JWTVerifyGetKey;
  tenants: Record<string, TenantPolicy>;
  people: PrincipalEntry[];
  keys: Record<string, { id: string; hash: string }>;
}): Promise<AuthApp> {
  const db = kyselyOn(world.db);
  for (const { id, tenant, kind, name, department, role } of world.people) {
    await insertPrincipal(db, { id, tenant, kind, name, department, role });
    const key = world.keys[id];
    if (key !== undefined)
      await insertKey(db, {
        id: key.id,
        principal: id,
        sha256: key.hash,
        createdBy: 'test',
        expiresAt: null,
      });
  }
  const now = (): Date => new Date();
  const logger = createLogger('auth', 'error');
  const context = await createAuthContext(
    {
      objects: { paths: [] },
      identityProviders: [],
      recheck: { minutes: 15, graceMinutes: 60 },
      sessions: undefined,
    },
    {
      db,
      tenants: world.tenants,
      surroundings: { now, randomBytes, newId: uuidv7 },
      identity: createIdentityTools(undefined, randomBytes),
      logger,
      tenantGroups: new Map(),
    },
  );
  const app = express().disable('x-powered-by').set('etag', false);
  const replays = createReplayCache({ maxEntries: 1_000, now });
  installAuth(app, context, requireAuthAssertion(world.jwks, replays, now));
  app.use(errorHandler(logger));
  return { app, publicKeys: [context.sessions.key.publicJwk] };
}
