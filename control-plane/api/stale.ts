import { sql } from 'kysely';
import { appendAuditIn } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { setDisabled } from '../identity/accounts/store.ts';
import { changeRecord, system } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';

const DAY_MS = 86_400_000;

/** After so many days without use something is disabled; a month before, it is listed. */
export interface StaleRule {
  unusedDays: number;
}

/** How long before the rule applies the monthly list names it. */
const WARNING_DAYS = 31;

interface Stale {
  kind: 'account' | 'application' | 'key';
  id: string;
  tenant: string;
  name: string;
  reason: 'unused' | 'expired' | 'owner-gone';
  last_used_at: Date | null;
}

/** What has expired, was not used since `unusedSince`, or is owned by somebody who is gone. The break-glass account is meant to lie unused. */
async function findStale(db: Database, unusedSince: Date, now: Date): Promise<Stale[]> {
  const { rows } = await sql<Stale>`
    WITH counted AS (
      SELECT used_at AS since FROM imageplane.last_use WHERE kind = 'rule' AND id = 'counted-since'
    ), person AS (
      SELECT p.id, p.tenant, p.name, p.created_at, p.expires_at, p.kind, a.owner, o.disabled_at AS owner_gone,
        greatest(u.used_at, l.last_sign_in_at) AS used
      FROM imageplane.principal p
      LEFT JOIN imageplane.local_account l ON l.principal = p.id
      LEFT JOIN imageplane.application a ON a.principal = p.id
      LEFT JOIN imageplane.principal o ON o.id = a.owner
      LEFT JOIN imageplane.last_use u ON u.kind = 'principal' AND u.id = p.id
      WHERE p.disabled_at IS NULL AND NOT coalesce(l.break_glass, false)
        AND (l.principal IS NOT NULL OR a.principal IS NOT NULL)
    )
    SELECT CASE kind WHEN 'user' THEN 'account' ELSE 'application' END AS kind, id, tenant, name,
      CASE WHEN expires_at <= ${now} THEN 'expired' WHEN owner_gone IS NOT NULL THEN 'owner-gone' ELSE 'unused' END AS reason,
      used AS last_used_at
    FROM person, counted
    WHERE expires_at <= ${now} OR owner_gone IS NOT NULL OR coalesce(used, greatest(created_at, since)) < ${unusedSince}
    UNION ALL
    SELECT 'key', k.id, p.tenant, p.name,
      CASE WHEN k.expires_at <= ${now} THEN 'expired' ELSE 'unused' END, u.used_at
    FROM counted CROSS JOIN imageplane.api_key k
    JOIN imageplane.principal p ON p.id = k.principal
    LEFT JOIN imageplane.last_use u ON u.kind = 'key' AND u.id = k.id
    WHERE k.revoked_at IS NULL AND p.disabled_at IS NULL
      AND (k.expires_at <= ${now} OR coalesce(u.used_at, greatest(k.created_at, since)) < ${unusedSince})`.execute(
    db,
  );
  return rows;
}

/**
 * Disables by rule what has expired or lain unused for too long, each with its record. What belongs to somebody who is
 * gone is listed and left: only people know who takes it over. Gives how many were disabled.
 */
export async function disableStale(
  { db, surroundings }: { db: Database; surroundings: Surroundings },
  rule: StaleRule,
): Promise<number> {
  const now = surroundings.now();
  const found = await findStale(db, new Date(now.getTime() - rule.unusedDays * DAY_MS), now);
  let disabled = 0;
  for (const one of found) {
    if (one.reason === 'owner-gone') continue;
    const done = await db.transaction().execute(async (transaction) => {
      if (!(await disable(transaction, one, now))) return false;
      const why = one.reason === 'expired' ? 'expired' : `unused:${rule.unusedDays}d`;
      await list(transaction, [one], now, now);
      const resource = `${one.kind}:${one.id}`;
      const record = changeRecord(system(one.tenant, why), `${one.kind}s:disable`, resource, surroundings);
      await appendAuditIn(transaction, record);
      return true;
    });
    if (done) disabled++;
  }
  return disabled;
}

async function disable(transaction: Database, { kind, id }: Stale, now: Date): Promise<boolean> {
  if (kind !== 'key') return setDisabled(transaction, id, now);
  const { numUpdatedRows } = await transaction
    .updateTable('api_key')
    .set({ revoked_at: now })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

const monthOf = (now: Date): string => `${now.toISOString().slice(0, 7)}-01`;

/** Writes this month's list: what is disabled, and what will be before the next list. Safe to repeat. */
export async function listStale(
  { db, surroundings }: { db: Database; surroundings: Surroundings },
  rule: StaleRule,
): Promise<void> {
  const now = surroundings.now();
  const days = Math.max(1, rule.unusedDays - WARNING_DAYS);
  await list(db, await findStale(db, new Date(now.getTime() - days * DAY_MS), now), now, null);
}

async function list(db: Database, found: Stale[], now: Date, disabledAt: Date | null): Promise<void> {
  for (let start = 0; start < found.length; start += 500) {
    const lines = found.slice(start, start + 500);
    await db
      .insertInto('stale_listing')
      .values(lines.map((one) => ({ ...one, month: monthOf(now), disabled_at: disabledAt })))
      .onConflict((conflict) =>
        conflict.columns(['month', 'tenant', 'kind', 'id']).doUpdateSet((excluded) => ({
          reason: excluded.ref('excluded.reason'),
          last_used_at: excluded.ref('excluded.last_used_at'),
          disabled_at: sql`coalesce(stale_listing.disabled_at, excluded.disabled_at)`,
        })),
      )
      .execute();
  }
}

interface StaleLine extends Pick<Stale, 'kind' | 'id' | 'name' | 'reason'> {
  lastUsedAt: Date | null;
  disabledAt: Date | null;
}

/** One month's list of a tenant. @param month `2026-01` */
export async function readStale(db: Database, tenant: string, month: string): Promise<StaleLine[]> {
  return db
    .selectFrom('stale_listing')
    .select(['kind', 'id', 'name', 'reason', 'last_used_at as lastUsedAt', 'disabled_at as disabledAt'])
    .where('tenant', '=', tenant)
    .where('month', '=', `${month}-01`)
    .orderBy('kind')
    .orderBy('id')
    .limit(10_000)
    .execute();
}
