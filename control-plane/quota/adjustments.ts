import { sql } from 'kysely';
import type { Database } from '../database/schema.ts';
import { type Amounts, NOTHING, type Period, type Scope } from './units.ts';

export interface BalanceOf {
  tenant: string;
  scope: Scope;
  /** Empty for the tenant itself. */
  subject: string;
  period: Period;
}

export interface Adjustment extends BalanceOf {
  /** UUIDv7. */
  id: string;
  at: Date;
  kind: 'grant' | 'reset';
  by: string;
  reason: string;
}

interface Row {
  requests: string;
  pixels: string;
  steps: string;
  compute_ms: string;
}

const amountsOf = (row: Row | undefined): Amounts =>
  row === undefined
    ? NOTHING
    : {
        requests: Number(row.requests),
        pixels: Number(row.pixels),
        steps: Number(row.steps),
        computeMs: Number(row.compute_ms),
      };

/** First day, in UTC, of the period that a time is in. */
export function startOf(period: Period, at: Date): string {
  const day = at.toISOString().slice(0, 10);
  return period === 'day' ? day : `${day.slice(0, 7)}-01`;
}

/**
 * Gives more for the current period than the bound says, in the transaction given: `amounts` for a grant; for a reset,
 * all that was charged so far and is not given back yet, so that the whole bound may be used once more. What is in
 * flight stays counted. Gives what was given.
 */
export async function adjust(
  transaction: Database,
  { id, at, kind, by, reason, ...of }: Adjustment,
  amounts: Amounts,
): Promise<Amounts> {
  const key = { ...of, starts_on: startOf(of.period, at) };
  await transaction
    .insertInto('quota_balance')
    .values(key)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const balance = await transaction
    .selectFrom('quota_balance')
    .select(['requests', 'pixels', 'steps', 'compute_ms'])
    .where((where) => where.and(key))
    .forUpdate()
    .executeTakeFirstOrThrow();
  const given = kind === 'grant' ? amounts : await usedUp(transaction, key, amountsOf(balance));
  const row = {
    requests: String(given.requests),
    pixels: String(given.pixels),
    steps: String(given.steps),
    compute_ms: String(given.computeMs),
  };
  await transaction
    .updateTable('quota_balance')
    .set({
      credit_requests: sql`credit_requests + ${row.requests}::bigint`,
      credit_pixels: sql`credit_pixels + ${row.pixels}::bigint`,
      credit_steps: sql`credit_steps + ${row.steps}::bigint`,
      credit_compute_ms: sql`credit_compute_ms + ${row.compute_ms}::bigint`,
    })
    .where((where) => where.and(key))
    .execute();
  await transaction
    .insertInto('quota_adjustment')
    .values({ ...key, ...row, id, at, kind, by, reason })
    .execute();
  return given;
}

/** What was charged and not given back by an earlier reset. */
async function usedUp(db: Database, key: BalanceOf & { starts_on: string }, held: Amounts): Promise<Amounts> {
  const sums = [
    sql<string>`coalesce(sum(requests), 0)`.as('requests'),
    sql<string>`coalesce(sum(pixels), 0)`.as('pixels'),
    sql<string>`coalesce(sum(steps), 0)`.as('steps'),
    sql<string>`coalesce(sum(compute_ms), 0)`.as('compute_ms'),
  ] as const;
  const open = await db
    .selectFrom('reservation')
    .select(sums)
    .where('tenant', '=', key.tenant)
    .where('state', '=', 'reserved')
    .where('day', '>=', key.starts_on)
    .$if(key.scope === 'user', (query) => query.where('principal', '=', key.subject))
    .$if(key.scope === 'project', (query) => query.where('project', '=', key.subject))
    .executeTakeFirst();
  const before = await db
    .selectFrom('quota_adjustment')
    .select(sums)
    .where((where) => where.and({ ...key, kind: 'reset' as const }))
    .executeTakeFirst();
  const [inFlight, returned] = [amountsOf(open), amountsOf(before)];
  const left = (unit: keyof Amounts): number => Math.max(0, held[unit] - inFlight[unit] - returned[unit]);
  return {
    requests: left('requests'),
    pixels: left('pixels'),
    steps: left('steps'),
    computeMs: left('computeMs'),
  };
}

export interface Balance {
  scope: Scope;
  subject: string;
  period: Period;
  startsOn: string;
  /** Charged, and held for what is in flight. */
  held: Amounts;
  /** What administrators gave beyond the bound. */
  credit: Amounts;
}

/** Of the current day and month; of one user alone, where one is named. */
export async function readBalances(
  db: Database,
  of: { tenant: string; user?: string },
  now: Date,
): Promise<Balance[]> {
  const rows = await db
    .selectFrom('quota_balance')
    .selectAll()
    .select(sql<string>`to_char(starts_on, 'YYYY-MM-DD')`.as('starts'))
    .where('tenant', '=', of.tenant)
    .where((where) =>
      where.or([
        where.and({ period: 'day' as const, starts_on: startOf('day', now) }),
        where.and({ period: 'month' as const, starts_on: startOf('month', now) }),
      ]),
    )
    .$if(of.user !== undefined, (query) =>
      query.where('scope', '=', 'user').where('subject', '=', of.user ?? ''),
    )
    .orderBy('scope')
    .orderBy('requests', 'desc')
    .orderBy('subject')
    .limit(1_000)
    .execute();
  return rows.map((row) => ({
    scope: row.scope,
    subject: row.subject,
    period: row.period,
    startsOn: row.starts,
    held: amountsOf(row),
    credit: amountsOf({
      requests: row.credit_requests,
      pixels: row.credit_pixels,
      steps: row.credit_steps,
      compute_ms: row.credit_compute_ms,
    }),
  }));
}

/** Newest first, older than `before`. */
export async function listAdjustments(
  db: Database,
  tenant: string,
  page: { before?: string | undefined; limit: number },
): Promise<(Adjustment & { amounts: Amounts })[]> {
  const rows = await db
    .selectFrom('quota_adjustment')
    .selectAll()
    .where('tenant', '=', tenant)
    .$if(page.before !== undefined, (query) => query.where('id', '<', page.before ?? ''))
    .orderBy('id', 'desc')
    .limit(page.limit)
    .execute();
  return rows.map(({ id, at, scope, subject, period, kind, by, reason, ...amounts }) => ({
    ...{ id, at, tenant, scope, subject, period, kind, by, reason },
    amounts: amountsOf(amounts),
  }));
}
