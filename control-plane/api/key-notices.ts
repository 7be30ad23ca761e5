import { sql } from 'kysely';
import type { Principal } from '../../contracts/principal.ts';
import { appendAuditIn } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { changeRecord, system } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';
import { decisionFor } from './routes/support.ts';

const DAY_MS = 86_400_000;
/** So many days before a key expires it is said, once each. */
const NOTICE_DAYS = [14, 7, 1] as const;

interface Context {
  db: Database;
  surroundings: Surroundings;
}

export interface KeyNotice {
  key: string;
  principal: string;
  name: string;
  owner: string | null;
  expiresAt: Date;
  /** The latest of the three notices. */
  days: number;
  at: Date;
}

/** Keys in force that are about to expire: of the tenant for administrators, of the caller's applications for others. */
export async function listNotices({ db, surroundings }: Context, caller: Principal): Promise<KeyNotice[]> {
  let query = db
    .selectFrom('key_notice as n')
    .innerJoin('api_key as k', 'k.id', 'n.key')
    .innerJoin('principal as p', 'p.id', 'k.principal')
    .leftJoin('application as a', 'a.principal', 'p.id')
    .select([
      'k.id as key',
      'p.id as principal',
      'p.name',
      'a.owner',
      sql<Date>`k.expires_at`.as('expiresAt'),
      sql<number>`min(n.days)`.as('days'),
      sql<Date>`max(n.at)`.as('at'),
    ])
    .where('p.tenant', '=', caller.tenant)
    .where('k.revoked_at', 'is', null)
    .where('k.expires_at', '>', surroundings.now())
    .groupBy(['k.id', 'p.id', 'p.name', 'a.owner', 'k.expires_at'])
    .orderBy('k.expires_at')
    .limit(1000);
  if (!decisionFor(caller, 'keys:manage', 'key').allow) query = query.where('a.owner', '=', caller.id);
  return query.execute();
}

/** Says what is due, each with its audit record; safe to run in several APIs at once. Gives how many were said. */
export async function giveNotices({ db, surroundings }: Context): Promise<number> {
  const now = surroundings.now();
  const due = await db
    .selectFrom('api_key as k')
    .innerJoin('principal as p', 'p.id', 'k.principal')
    .select(['k.id', 'k.expires_at', 'p.tenant'])
    .where('k.revoked_at', 'is', null)
    .where('p.disabled_at', 'is', null)
    .where('k.expires_at', '>', now)
    .where('k.expires_at', '<=', new Date(now.getTime() + NOTICE_DAYS[0] * DAY_MS))
    .execute();
  let said = 0;
  for (const { id, expires_at: expiresAt, tenant } of due) {
    if (expiresAt === null) continue;
    const days = [...NOTICE_DAYS]
      .reverse()
      .find((limit) => expiresAt.getTime() - now.getTime() <= limit * DAY_MS);
    if (days !== undefined && (await giveNotice(db, { id, days, tenant }, surroundings))) said++;
  }
  return said;
}

async function giveNotice(
  db: Database,
  { id, days, tenant }: { id: string; days: number; tenant: string },
  surroundings: Surroundings,
): Promise<boolean> {
  return db.transaction().execute(async (transaction) => {
    const { numInsertedOrUpdatedRows = 0n } = await transaction
      .insertInto('key_notice')
      .values({ key: id, days, at: surroundings.now() })
      .onConflict((conflict) => conflict.columns(['key', 'days']).doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 0n) return false;
    const actor = system(tenant, `expires-within:${days}d`);
    await appendAuditIn(transaction, changeRecord(actor, 'keys:expiring', `key:${id}`, surroundings));
    return true;
  });
}
