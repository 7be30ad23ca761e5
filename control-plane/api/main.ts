import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { importJWK, type JWK } from 'jose';
import type pg from 'pg';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { v7 as uuidv7 } from 'uuid';
import { configFromArguments, readSecret } from '../../foundation/config.ts';
import { messageOf } from '../../foundation/errors.ts';
import { closeServer, listen } from '../../foundation/http.ts';
import { jwksFromFile } from '../../foundation/jwks-file.ts';
import { createLogger, type Logger } from '../../foundation/logger.ts';
import { runProgram } from '../../foundation/program.ts';
import { createReplayCache } from '../../foundation/replay-cache.ts';
import { migrate } from '../database/migrate.ts';
import { createPool, isDatabaseAway } from '../database/pool.ts';
import { kyselyOn } from '../database/schema.ts';
import { installAuth } from './auth/app.ts';
import { requireAuthAssertion } from './auth/context.ts';
import { startRechecks } from './auth/recheck.ts';
import { createAuthContext } from './auth/setup.ts';
import { requireAssertion } from './authenticate.ts';
import { type ApiConfig, apiConfig } from './config.ts';
import { createIntake } from './intake.ts';
import { identityInternalRoutes } from './identity-internal.ts';
import { startIdentityJanitor } from './identity-janitor.ts';
import { createIdentityTools } from './identity-tools.ts';
import { createInternal, type Problem } from './internal.ts';
import { maintainPartitions, startJanitor } from './janitor.ts';
import { issueDemoKey, type Surroundings } from './keys.ts';
import { createPublicApi } from './public.ts';
import { createSnapshotSource } from './snapshot-source.ts';
import { openSources } from './sources.ts';

const DATABASE_PATIENCE_MS = 60_000;
const GRACE_MS = 5_000;

const config = await configFromArguments(
  apiConfig,
  process.argv.slice(2),
  'node control-plane/api/main.ts',
).catch((error: unknown) => {
  createLogger('api', 'info').fatal(messageOf(error));
  process.exit(2);
});
const logger = createLogger('api', config.logLevel);
const surroundings: Surroundings = { now: () => new Date(), randomBytes, newId: uuidv7 };
await runProgram(logger, () => start(config));

async function start(config: ApiConfig): Promise<() => Promise<void>> {
  const { now } = surroundings;
  const sources = await openSources(config, logger);
  const { policies, groups, models, revision } = sources.declared;
  const pool = createPool(
    config.database,
    { max: 10, connectTimeoutMs: 2_000, statementTimeoutMs: 10_000 },
    'imageplane-api',
    logger,
  );
  await whenDatabaseIsThere(() => prepareDatabase(pool, config), logger);
  const db = kyselyOn(pool);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const identity = createIdentityTools(
    config.secretsKeyFile === undefined ? undefined : await readSecret(config.secretsKeyFile),
    randomBytes,
  );
  const { tenants } = policies;
  const auth = await createAuthContext(config, {
    db,
    tenants,
    surroundings,
    identity,
    logger,
    tenantGroups: groups,
  });
  const snapshots = createSnapshotSource({
    db,
    policies,
    policiesRevision: revision,
    privateKey: await privateKey(config.snapshotKey),
    sessionKeys: [auth.sessions.key.publicJwk],
    issuers: config.tokenIssuers,
    now,
  });
  const replays = createReplayCache({ maxEntries: 100_000, now });
  const keys = await jwksFromFile(config.assertionJwks, Date.now);
  const apps = [
    {
      address: config.listen,
      app: createPublicApi({
        db,
        tenants,
        declared: { services: policies.services, models },
        authenticate: requireAssertion(keys, replays, now),
        auth: (app) => {
          installAuth(app, auth, requireAuthAssertion(keys, replays, now));
        },
        surroundings,
        identity,
        logger,
      }),
    },
    {
      address: config.internal,
      app: createInternal({
        token: await readSecret(config.internalTokenFile),
        snapshots,
        more: (app) => {
          identityInternalRoutes(app, { db, tenants, tools: identity, surroundings });
        },
        issueDemoKey: (tenant) => issueDemoKey(db, tenant, surroundings),
        problems: () => problemsOf(pool),
        registry,
        logger,
      }),
    },
    {
      address: config.intake,
      app: createIntake({ pool, senderOf: sources.senderOf, now, logger }),
    },
  ];
  const servers = await Promise.all(
    apps.map(async ({ address, app }) => {
      const server = createServer(app);
      await listen(server, address);
      return server;
    }),
  );
  const stopIdentityJanitor = startIdentityJanitor(
    { db, surroundings },
    { unusedDays: config.unusedDays },
    logger,
  );
  const stopJanitor = startJanitor(pool, config.retentionMonths, now, logger);
  const stopRechecks = startRechecks(auth);
  sources.start(db, now);
  logger.info({ listen: config.listen, internal: config.internal, intake: config.intake }, 'serving');
  return async () => {
    stopJanitor();
    await stopRechecks();
    stopIdentityJanitor();
    await sources.stop();
    await Promise.all(servers.map((server) => closeServer(server, GRACE_MS)));
    await pool.end();
  };
}

async function prepareDatabase(pool: pg.Pool, config: ApiConfig): Promise<void> {
  const applied = await migrate(pool);
  if (applied.length > 0) logger.info({ applied }, 'the database schema was brought up to date');
  await maintainPartitions(pool, config.retentionMonths, surroundings.now(), logger);
}

/** The database may start after us; what is wrong with it, though, is said at once. */
async function whenDatabaseIsThere(task: () => Promise<void>, logger: Logger): Promise<void> {
  const deadline = Date.now() + DATABASE_PATIENCE_MS;
  for (;;) {
    try {
      await task();
      return;
    } catch (error) {
      if (!isDatabaseAway(error) || Date.now() > deadline) throw error;
      logger.warn({ reason: messageOf(error) }, 'the database is away; trying again');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function problemsOf(pool: pg.Pool): Promise<Problem[]> {
  try {
    await pool.query('SELECT 1');
    return [];
  } catch (error) {
    return [{ code: 'database_unavailable', message: `The database does not answer: ${messageOf(error)}` }];
  }
}

async function privateKey(path: string) {
  const key = await importJWK(JSON.parse(await readFile(path, 'utf8')) as JWK, 'EdDSA');
  if (key instanceof Uint8Array) throw new Error(`${path} holds a secret, not a private key`);
  return key;
}
