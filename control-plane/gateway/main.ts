import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { type CryptoKey, importJWK } from 'jose';
import pg from 'pg';
import { v7 } from 'uuid';
import { configFromArguments, readSecret } from '../../foundation/config.ts';
import { UsageError } from '../../foundation/errors.ts';
import { closeServer, listen } from '../../foundation/http.ts';
import { bufferedOutput, createLogger, type Logger } from '../../foundation/logger.ts';
import type { Outbox } from '../../foundation/outbox.ts';
import { runProgram } from '../../foundation/program.ts';
import { addressSet } from '../access/addresses.ts';
import { tlsOf } from '../database/pool.ts';
import type { Limiter } from '../limits/limiter.ts';
import { createSlidingWindow, type SlidingWindow } from '../limits/sliding-window.ts';
import { bound, gatewayConfig, type GatewayConfig } from './config.ts';
import { createEndpoints } from './endpoints.ts';
import type { Gateway, OpenRequest, SigningKey } from './exchange.ts';
import { createLedgerOf, createLimits } from './limits.ts';
import { createMetrics } from './metrics.ts';
import type { Policies } from './policies.ts';
import { createProbeServer, type Problem } from './probes.ts';
import { type Entry, openRecords } from './records.ts';
import { createGatewayServer, type GatewayServer } from './server.ts';
import { openReloaded } from './reloaded.ts';
import { type SnapshotClient, startSnapshotClient } from './snapshot-client.ts';
import { startRisks } from './risks.ts';
import { readCertificate } from './tls.ts';
import { startUseLog } from './use-log.ts';
import { createVerifiers } from './verifiers.ts';

/** A request of the ledger waits this long at most; then the reduced service takes over. */
const LEDGER_POOL = { max: bound.ledgerConnections, connectionTimeoutMillis: bound.ledgerTimeout };
const RECORDS_POOL = { max: 1, connectionTimeoutMillis: 5_000 };
const RECORDS_TIMEOUT_MS = 15_000;

async function readKey(path: string): Promise<{ jwk: Record<string, unknown>; path: string }> {
  const jwk: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (typeof jwk !== 'object' || jwk === null) throw new UsageError(`${path} is not a JWK.`);
  return { jwk: jwk as Record<string, unknown>, path };
}

async function importEd25519(jwk: Record<string, unknown>, path: string): Promise<CryptoKey> {
  const key = jwk['crv'] === 'Ed25519' ? await importJWK(jwk, 'EdDSA') : undefined;
  if (key === undefined || key instanceof Uint8Array)
    throw new UsageError(`${path} is not an Ed25519 key in JWK form.`);
  return key;
}

async function readSigningKey(path: string): Promise<SigningKey> {
  const { jwk } = await readKey(path);
  const { kid, d } = jwk;
  if (typeof kid !== 'string' || typeof d !== 'string' || jwk['crv'] !== 'Ed25519')
    throw new UsageError(`${path} must be a private Ed25519 key in JWK form, with a "kid".`);
  return {
    kid,
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }),
  };
}

function createPool(
  config: GatewayConfig['database'],
  sizes: { max: number; connectionTimeoutMillis: number },
  timeoutMs: number,
  logger: Logger,
): pg.Pool {
  const { host, port, database, user, passwordFile } = config;
  const pool = new pg.Pool({
    host,
    port,
    database,
    user,
    // Read anew for every connection, so that a rotated one needs no restart.
    password: () => readSecret(passwordFile),
    ssl: tlsOf(config),
    ...sizes,
    statement_timeout: timeoutMs,
    // The server may be too far gone to cancel by itself.
    query_timeout: timeoutMs + 200,
    keepAlive: true,
    application_name: 'imageplane-gateway',
  });
  pool.on('error', (error) => {
    logger.warn({ err: error }, 'an idle database connection was lost');
  });
  return pool;
}

/** Ends what is open with a credential that is no longer valid. */
function endRevoked(open: Set<OpenRequest>, policies: Policies | undefined, now: Date): void {
  if (policies === undefined) return;
  for (const { holds, abort } of open) if (!holds(policies, now)) abort.abort();
}

function findProblems({
  snapshot,
  records,
  limiter,
  maxAgeSeconds,
}: {
  snapshot: SnapshotClient;
  records: Outbox<Entry>;
  limiter: Limiter;
  maxAgeSeconds: number;
}): Problem[] {
  const problems: Problem[] = [];
  if (snapshot.current() === undefined) {
    const age = snapshot.ageSeconds();
    const old = Number.isFinite(age)
      ? `is ${Math.round(age)} s old, and ${maxAgeSeconds} s are allowed`
      : 'is missing';
    problems.push({
      code: 'snapshot_stale',
      message: `The snapshot of keys and policies ${old}: ${snapshot.lastFailure() ?? 'no answer yet'}.`,
    });
  }
  if (records.full())
    problems.push({
      code: 'outbox_full',
      message: `${records.pending()} records could not be delivered: ${records.lastFailure() ?? 'unknown reason'}.`,
    });
  if (!limiter.everReached())
    problems.push({
      code: 'limits_unreachable',
      message: `The limits that gateways share could not be fetched: ${limiter.problem() ?? 'no answer yet'}.`,
    });
  return problems;
}

async function start(config: GatewayConfig, logger: Logger): Promise<() => Promise<void>> {
  const monotonicMs = (): number => performance.now();
  const { tls, assertionKey } = config;
  let renew: GatewayServer['renew'] = () => undefined;
  const certificate =
    tls === undefined
      ? undefined
      : await openReloaded(
          [tls.certFile, tls.keyFile],
          () => readCertificate(tls),
          logger,
          ({ context }) => {
            renew(context);
          },
        );
  const signingKey = await openReloaded([assertionKey], () => readSigningKey(assertionKey), logger);
  const snapshotKey = await readKey(config.snapshot.publicKey);
  const publicKey = await importEd25519(snapshotKey.jwk, snapshotKey.path);
  const ledgerPool = createPool(config.database, LEDGER_POOL, bound.ledgerTimeout, logger);
  const recordsPool = createPool(config.database, RECORDS_POOL, RECORDS_TIMEOUT_MS, logger);
  const open = new Set<OpenRequest>();
  const endpoints = createEndpoints(monotonicMs);
  const records = await openRecords({
    directory: config.outbox,
    maxBytes: config.outboxMaxBytes,
    pool: recordsPool,
    logger,
    random: () => Math.random(),
    onRejected: (count) => {
      metrics.recordsFailed.inc({ reason: 'rejected' }, count);
    },
  });
  const { ledger, close: closeLedger } = createLedgerOf(config, ledgerPool, records, monotonicMs, logger);
  const clock = { nowMs: monotonicMs, wallMs: () => performance.timeOrigin + performance.now() };
  const { limiter, views, store } = await createLimits(config, clock, logger);
  const snapshot = await startSnapshotClient({
    ...config.snapshot,
    publicKey,
    logger,
    now: () => Date.now(),
    onPoll: (policies) => {
      endRevoked(open, policies, new Date());
      if (policies !== undefined)
        endpoints.retain([
          config.api.url,
          ...[...policies.services.values()].flatMap((service) => service.endpoints),
        ]);
    },
  });
  const away = (): string[] => [
    ...(ledger.away() ? ['ledger'] : []),
    ...(limiter.away() ? ['limits'] : []),
    ...(snapshot.ageSeconds() * 1000 > bound.snapshotOld ? ['snapshot'] : []),
  ];
  const metrics = createMetrics({
    snapshotAgeSeconds: () => snapshot.ageSeconds(),
    outboxPending: () => records.pending(),
    degraded: () => ledger.away(),
    away,
    certificateEndsAt: () => certificate?.current().endsAt ?? Number.NaN,
  });
  const window = (): SlidingWindow =>
    createSlidingWindow({ windowMs: bound.window, maxKeys: bound.windowKeys });
  const { verifiers, spool, close: closeVerifiers } = await createVerifiers(config, store, logger);
  const uses = startUseLog(recordsPool, logger);
  const risks = startRisks({ pool: ledgerPool, logger, now: () => Date.now() });
  const gateway: Gateway = {
    hosts: new Set(config.hosts),
    origins: new Set(config.cors.origins),
    trusted: addressSet(config.trustedProxies),
    apiUrl: config.api.url,
    policies: () => snapshot.current(),
    refreshPolicies: () => snapshot.refresh(),
    get signingKey() {
      return signingKey.current();
    },
    verifiers,
    spool,
    uses,
    risks,
    records,
    ledger,
    limiter,
    views,
    away,
    windows: { refusals: window(), signIn: window() },
    endpoints,
    metrics,
    logger,
    open,
    now: () => new Date(),
    monotonicMs,
    newId: () => v7(),
  };
  const { server, drain, ...edge } = createGatewayServer(gateway, certificate?.current().context);
  renew = edge.renew;
  const probes = createProbeServer(metrics.registry, () =>
    findProblems({ snapshot, records, limiter, maxAgeSeconds: config.snapshot.maxAgeSeconds }),
  );
  const [address, metricsAddress] = [
    await listen(server, config.listen),
    await listen(probes, config.metrics),
  ];
  logger.info({ address, metricsAddress }, 'listening');

  return async () => {
    certificate?.stop();
    signingKey.stop();
    await drain(bound.drain);
    await limiter.close();
    await closeLedger();
    await snapshot.stop();
    await endpoints.close();
    await Promise.all([uses.stop(), risks.stop()]);
    await closeVerifiers();
    await records.close(2_000);
    await Promise.all([ledgerPool.end(), recordsPool.end(), closeServer(probes, 0)]);
  };
}

const config = await configFromArguments(
  gatewayConfig,
  process.argv.slice(2),
  'control-plane/gateway/main.ts',
).catch((error: unknown) => {
  createLogger('gateway', 'info').fatal(error instanceof UsageError ? error.message : { err: error });
  process.exit(2);
});
// A write for each request's line would cost a tenth of a busy gateway's time.
const logger = createLogger('gateway', config.logLevel, bufferedOutput());
await runProgram(logger, () => start(config, logger));
