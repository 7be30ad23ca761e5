import { hostname } from 'node:os';
import type pg from 'pg';
import { v7 } from 'uuid';
import { readSecret } from '../../foundation/config.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { Outbox } from '../../foundation/outbox.ts';
import type { Limiter } from '../limits/limiter.ts';
import { createMemoryLimiter, type LocalClock } from '../limits/memory-limiter.ts';
import { createSharedLimiter } from '../limits/shared-limiter.ts';
import { openSharedStore, type SharedStore } from '../limits/store.ts';
import { renewLeases, reserve, settle } from '../quota/ledger.ts';
import { createBulkhead } from './bulkhead.ts';
import { bound, type GatewayConfig } from './config.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createQuotaLeases } from './quota-leases.ts';
import type { Entry } from './records.ts';
import { createSpent } from './spent.ts';

const SIZES = { windowMs: bound.window, maxKeys: bound.windowKeys };

/** In memory for one gateway, by Valkey or Redis for more; the limiter closes the store. */
export async function createLimits(
  { sharedLimits, listen }: GatewayConfig,
  clock: LocalClock,
  logger: Logger,
): Promise<{ limiter: Limiter; views: Limiter; store: SharedStore | undefined }> {
  const views = createMemoryLimiter(SIZES, clock);
  if (sharedLimits === undefined)
    return { limiter: createMemoryLimiter(SIZES, clock), views, store: undefined };
  const { url, passwordFile, gateways, name = `${hostname()}:${listen.port}` } = sharedLimits;
  const store = openSharedStore({
    url,
    password: passwordFile === undefined ? undefined : await readSecret(passwordFile),
    timeoutMs: bound.sharedTimeout,
  });
  const limiter = createSharedLimiter({
    ...SIZES,
    store,
    name,
    gateways,
    beatMs: bound.sharedBeat,
    staleMs: bound.sharedStale,
    aloneMs: bound.outage,
    leaseMs: bound.sharedLease,
    clock,
    logger,
  });
  return { limiter, views, store };
}

/** The ledger with its leases; `close` gives them back, before the outbox is closed. */
export function createLedgerOf(
  { degraded }: GatewayConfig,
  pool: pg.Pool,
  records: Outbox<Entry>,
  nowMs: () => number,
  logger: Logger,
): { ledger: Ledger; close: () => Promise<void> } {
  const failed = (error: unknown): void => {
    logger.warn({ err: error }, 'the ledger did not answer; reduced service');
  };
  const leases = createQuotaLeases({
    reserve: (reservation, bounds) => reserve(pool, reservation, bounds),
    renew: (ids) => renewLeases(pool, ids),
    release: (id) => settle(pool, [{ kind: 'released', id }]),
    releaseLater: (id) => records.append({ settlement: { kind: 'released', id } }),
    requests: degraded.requestsPerTenant,
    nowMs,
    now: () => new Date(),
    newId: () => v7(),
    onFailure: failed,
  });
  const ledger = createLedger({
    reserve: (reservation, bounds) => reserve(pool, reservation, bounds),
    leases,
    bulkhead: createBulkhead({
      ...bound.ledgerBulkhead,
      schedule(callback, ms) {
        const timer = setTimeout(callback, ms);
        return () => {
          clearTimeout(timer);
        };
      },
    }),
    spent: createSpent({ forMs: bound.spent, maxEntries: bound.windowKeys, nowMs }),
    requestsPerTenant: degraded.requestsPerTenant,
    outageMs: bound.outage,
    pauseMs: bound.ledgerPause,
    nowMs,
    onFailure: failed,
  });
  const timer = setInterval(() => {
    if (!ledger.away()) leases.renew().catch(failed);
  }, bound.leaseRenewal);
  return {
    ledger,
    close() {
      clearInterval(timer);
      return leases.close();
    },
  };
}
