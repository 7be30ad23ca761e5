import { sql } from 'kysely';
import type { Database } from '../database/schema.ts';

export interface UsageTotals {
  requests: number;
  megapixels: number;
  steps: number;
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
  const sums = [
    sql<string>`coalesce(sum(requests), 0)`.as('requests'),
    sql<string>`coalesce(sum(pixels), 0)`.as('pixels'),
    sql<string>`coalesce(sum(steps), 0)`.as('steps'),
    sql<string>`coalesce(sum(compute_ms), 0)`.as('compute_ms'),
  ] as const;
  const totals = async (startsOn: string): Promise<UsageTotals> => {
    const used = await db
      .selectFrom('usage_daily')
      .select(sums)
      .where('tenant', '=', of.tenant)
      .where('day', '>=', startsOn)
      .executeTakeFirst();
    // What is in flight counts as a request already; what it takes is not known yet. Leases are no requests.
    const open = await db
      .selectFrom('reservation')
      .select(sums[0])
      .where('tenant', '=', of.tenant)
      .where('state', '=', 'reserved')
      .where('principal', '<>', '')
      .where('day', '>=', startsOn)
      .executeTakeFirst();
    const known = toTotals(used);
    return { ...known, requests: known.requests + Number(open?.requests ?? 0) };
  };
  let breakdown = db
    .selectFrom('usage_daily')
    .select(['service', 'principal'])
    .select([...sums, sql<string>`sum(failures)`.as('failures')])
    .where('tenant', '=', of.tenant)
    .where('day', '>=', startOfMonth)
    .groupBy(['service', 'principal'])
    .orderBy('requests', 'desc')
    .limit(1000);
  if (of.principal !== undefined) breakdown = breakdown.where('principal', '=', of.principal);
  const rows = await breakdown.execute();
  return {
    tenant: of.tenant,
    day: { startsOn: startOfDay, limit: limits.day, ...(await totals(startOfDay)) },
    month: { startsOn: startOfMonth, limit: limits.month, ...(await totals(startOfMonth)) },
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
    .selectFrom('quota_balance')
    .select(['tenant', 'period', 'requests', 'pixels', 'steps', 'compute_ms'])
    .where('scope', '=', 'tenant')
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

function toTotals(
  row: { requests: string; pixels: string; steps: string; compute_ms: string } | undefined,
): UsageTotals {
  return {
    requests: Number(row?.requests ?? 0),
    megapixels: Number(row?.pixels ?? 0) / 1e6,
    steps: Number(row?.steps ?? 0),
    computeSeconds: Number(row?.compute_ms ?? 0) / 1e3,
  };
}
