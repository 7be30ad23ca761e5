import { sql } from 'kysely';
import type { Database } from '../database/schema.ts';

export interface UsageTotals {
  requests: number;
  megapixels: number;
  computeSeconds: number;
}

export interface UsageReport {
  tenant: string;
  /** The calendar day and month, in UTC, that the quota counts. */
  day: UsageTotals & { startsOn: string; limit: number };
  month: UsageTotals & { startsOn: string; limit: number };
  /** This month's charged requests. */
  byServiceAndPrincipal: (UsageTotals & { service: string; principal: string; failures: number })[];
}

/** `principal` narrows the breakdown to one; the tenant's totals stay those of the tenant. */
export async function usageReport(
  db: Database,
  of: { tenant: string; principal?: string },
  limits: { day: number; month: number },
  now: Date,
): Promise<UsageReport> {
  const startOfDay = now.toISOString().slice(0, 10);
  const startOfMonth = `${startOfDay.slice(0, 7)}-01`;
  const counters = await db
    .selectFrom('quota_counter')
    .select(['period', 'requests', 'pixels', 'compute_ms'])
    .where('tenant', '=', of.tenant)
    .where((where) =>
      where.or([
        where.and({ period: 'day', starts_on: startOfDay }),
        where.and({ period: 'month', starts_on: startOfMonth }),
      ]),
    )
    .execute();
  let breakdown = db
    .selectFrom('usage_daily')
    .select(['service', 'principal'])
    .select([
      sql<string>`sum(requests)`.as('requests'),
      sql<string>`sum(failures)`.as('failures'),
      sql<string>`sum(pixels)`.as('pixels'),
      sql<string>`sum(compute_ms)`.as('compute_ms'),
    ])
    .where('tenant', '=', of.tenant)
    .where('day', '>=', startOfMonth)
    .groupBy(['service', 'principal'])
    .orderBy('requests', 'desc')
    .limit(1000);
  if (of.principal !== undefined) breakdown = breakdown.where('principal', '=', of.principal);
  const rows = await breakdown.execute();
  const totals = (period: 'day' | 'month'): UsageTotals =>
    toTotals(counters.find((row) => row.period === period));
  return {
    tenant: of.tenant,
    day: { startsOn: startOfDay, limit: limits.day, ...totals('day') },
    month: { startsOn: startOfMonth, limit: limits.month, ...totals('month') },
    byServiceAndPrincipal: rows.map((row) => ({
      service: row.service,
      principal: row.principal,
      failures: Number(row.failures),
      ...toTotals(row),
    })),
  };
}

export interface TenantCounters {
  day?: UsageTotals;
  month?: UsageTotals;
}

/** What the quota has counted of every tenant on the current calendar day and in the current month, in UTC. */
export async function tenantCounters(db: Database, now: Date): Promise<Map<string, TenantCounters>> {
  const startOfDay = now.toISOString().slice(0, 10);
  const rows = await db
    .selectFrom('quota_counter')
    .select(['tenant', 'period', 'requests', 'pixels', 'compute_ms'])
    .where((where) =>
      where.or([
        where.and({ period: 'day', starts_on: startOfDay }),
        where.and({ period: 'month', starts_on: `${startOfDay.slice(0, 7)}-01` }),
      ]),
    )
    .execute();
  const found = new Map<string, TenantCounters>();
  for (const row of rows) {
    const counters = found.get(row.tenant) ?? {};
    found.set(row.tenant, counters);
    if (row.period === 'day') counters.day = toTotals(row);
    else counters.month = toTotals(row);
  }
  return found;
}

function toTotals(row: { requests: string; pixels: string; compute_ms: string } | undefined): UsageTotals {
  return {
    requests: Number(row?.requests ?? 0),
    megapixels: Number(row?.pixels ?? 0) / 1e6,
    computeSeconds: Number(row?.compute_ms ?? 0) / 1e3,
  };
}
