import { isDeepStrictEqual } from 'node:util';
import type { Tenant } from '../../../crds/generated.ts';
import { messageOf } from '../../../foundation/errors.ts';
import type { Logger } from '../../../foundation/logger.ts';
import { resources } from '../../../operator/runtime/resources.ts';
import type { Client } from '../../../operator/runtime/types.ts';
import type { TenantCounters } from '../../quota/usage-report.ts';
import type { WatchedTenant } from './objects.ts';

const FIELD_MANAGER = 'imageplane-usage';

type Usage = NonNullable<NonNullable<Tenant['status']>['usage']>;

export interface UsageStatusOptions {
  client: Client;
  tenants: () => readonly WatchedTenant[];
  /** Takes in what a write answered. */
  observe: (tenant: WatchedTenant) => void;
  counters: (now: Date) => Promise<ReadonlyMap<string, TenantCounters>>;
  intervalMs: number;
  now: () => Date;
  logger: Logger;
}

/** What stands in the status; whole numbers, rounded down. Pure. */
export function usageOf(counters: TenantCounters | undefined, now: Date): Usage {
  const day = now.toISOString().slice(0, 10);
  const part = (period: string, totals: TenantCounters['day'] | undefined): Required<Usage>['day'] => ({
    period,
    requests: totals?.requests ?? 0,
    megapixels: Math.floor(totals?.megapixels ?? 0),
    computeSeconds: Math.floor(totals?.computeSeconds ?? 0),
  });
  return {
    day: part(day, counters?.day),
    month: part(day.slice(0, 7), counters?.month),
    observedAt: now.toISOString(),
  };
}

/** Whether there is nothing to tell; that it was looked at again is not worth a write. */
function isSame(before: Usage | undefined, after: Usage): boolean {
  return isDeepStrictEqual([before?.day, before?.month], [after.day, after.month]);
}

/**
 * Keeps `status.usage` of every Tenant, once an interval and only where it changed. It is the only writer of that field,
 * under a field manager of its own.
 * @returns how to stop it.
 */
export function startUsageStatus(options: UsageStatusOptions): () => Promise<void> {
  const { client, tenants, observe, counters, intervalMs, now, logger } = options;
  const stopping = new AbortController();

  async function write(): Promise<void> {
    const found = await counters(now());
    for (const tenant of tenants()) {
      if (stopping.signal.aborted) return;
      const { apiVersion, kind, metadata } = tenant;
      const usage = usageOf(found.get(metadata.name), now());
      if (metadata.deletionTimestamp !== undefined || isSame(tenant.status?.usage, usage)) continue;
      // With the uid, it is never written into another Tenant of the same name.
      const { name, uid } = metadata;
      const object = { apiVersion, kind, metadata: uid === undefined ? { name } : { name, uid } };
      const applied = await client.apply<WatchedTenant>(
        resources.Tenant,
        { ...object, ...{ status: { usage } } },
        { fieldManager: FIELD_MANAGER, force: true, subresource: 'status', signal: stopping.signal },
      );
      observe(applied);
    }
  }

  let running = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(write).catch((error: unknown) => {
      if (!stopping.signal.aborted)
        logger.warn({ reason: messageOf(error) }, 'usage could not be written into the status of tenants');
    });
  }, intervalMs);
  return async () => {
    clearInterval(timer);
    stopping.abort(new Error('the API is being stopped'));
    await running;
  };
}
