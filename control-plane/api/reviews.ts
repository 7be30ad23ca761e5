import { sql } from 'kysely';
import type { Principal } from '../../contracts/principal.ts';
import { refusal } from '../../foundation/errors.ts';
import { appendAuditIn } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { changePrincipal } from '../identity/accounts/store.ts';
import { demandGrantable } from './accounts.ts';
import { givenRights } from './access/reviewed.ts';
import { actorOf, changeRecord } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';
import type { ReviewedRight } from './reviewed-right.ts';

/** One thing that somebody may do, and how it came to be. */
export interface ReviewLine {
  line: number;
  kind: string;
  id: string;
  /** Id of the principal, and its name. */
  subject: string;
  name: string;
  what: string;
  givenBy: string;
  givenAt: Date | null;
  lastUsedAt: Date | null;
  decision: 'keep' | 'withdraw' | null;
  decidedBy: string | null;
  decidedAt: Date | null;
}

const rights: readonly ReviewedRight[] = [
  {
    kind: 'role',
    rows: (tenant) => sql`
      SELECT p.id, p.id, p.name, 'role:' || p.role, p.role_given_by, p.role_given_at, u.used_at
      FROM imageplane.principal p
      LEFT JOIN imageplane.last_use u ON u.kind = 'principal' AND u.id = p.id
      WHERE p.tenant = ${tenant} AND p.disabled_at IS NULL`,
    async withdraw(transaction, { id }, { caller, now }) {
      if (id === caller.id) throw refusal('own_role');
      const { role } = await transaction
        .selectFrom('principal')
        .select('role')
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      demandGrantable(caller, role);
      if (role === 'guest') return false;
      await changePrincipal(transaction, id, { role: 'guest' }, { id: caller.id, now });
      return true;
    },
  },
  {
    kind: 'key',
    rows: (tenant, now) => sql`
      SELECT k.id, p.id, p.name, 'key:' || p.role || ' ' || coalesce(k.scopes::text, '{}'), k.created_by,
        k.created_at, u.used_at
      FROM imageplane.api_key k
      JOIN imageplane.principal p ON p.id = k.principal
      LEFT JOIN imageplane.last_use u ON u.kind = 'key' AND u.id = k.id
      WHERE p.tenant = ${tenant} AND p.disabled_at IS NULL AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > ${now})`,
    async withdraw(transaction, { id }, { now }) {
      const { numUpdatedRows } = await transaction
        .updateTable('api_key')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },
  },
  ...givenRights,
];

interface Context {
  db: Database;
  surroundings: Surroundings;
}

/** Writes down every right of the tenant as it is now. */
export async function openReview(
  { db, surroundings }: Context,
  caller: Principal,
): Promise<{ id: string; lines: number }> {
  const id = surroundings.newId();
  const now = surroundings.now();
  return db.transaction().execute(async (transaction) => {
    await transaction
      .insertInto('access_review')
      .values({ id, tenant: caller.tenant, opened_by: caller.id, opened_at: now, closed_at: null })
      .execute();
    const all = sql.join(
      rights.map(
        ({ kind, rows }) =>
          sql`SELECT ${kind}::text AS kind, r.* FROM (${rows(caller.tenant, now)}) AS r (id, subject, name, what, given_by, given_at, last_used_at)`,
      ),
      sql` UNION ALL `,
    );
    const { numAffectedRows = 0n } = await sql`
      INSERT INTO imageplane.access_review_line
        (review, line, kind, id, subject, name, what, given_by, given_at, last_used_at)
      SELECT ${id}, row_number() OVER (ORDER BY name, subject, kind DESC, id), kind, id, subject, name, what,
        given_by, given_at, last_used_at
      FROM (${all}) AS a`.execute(transaction);
    const resource = `access-review:${id}`;
    await appendAuditIn(transaction, changeRecord(actorOf(caller), 'reviews:open', resource, surroundings));
    return { id, lines: Number(numAffectedRows) };
  });
}

interface ReviewSummary {
  id: string;
  openedBy: string;
  openedAt: Date;
  closedAt: Date | null;
  lines: number;
  decided: number;
}

export async function listReviews(db: Database, tenant: string): Promise<ReviewSummary[]> {
  return db
    .selectFrom('access_review as r')
    .innerJoin('access_review_line as l', 'l.review', 'r.id')
    .select([
      'r.id',
      'r.opened_by as openedBy',
      'r.opened_at as openedAt',
      'r.closed_at as closedAt',
      sql<number>`count(*)::integer`.as('lines'),
      sql<number>`count(l.decision)::integer`.as('decided'),
    ])
    .where('r.tenant', '=', tenant)
    .groupBy('r.id')
    .orderBy('r.id', 'desc')
    .limit(100)
    .execute();
}

/** @throws RequestError 404 */
async function reviewOf(db: Database, tenant: string, id: string): Promise<{ closedAt: Date | null }> {
  const review = await db
    .selectFrom('access_review')
    .select('closed_at as closedAt')
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .forUpdate()
    .executeTakeFirst();
  if (review !== undefined) return review;
  throw refusal('review_not_found', { review: id });
}

const lines = (db: Database, id: string) =>
  db
    .selectFrom('access_review_line')
    .select([
      'line',
      'kind',
      'id',
      'subject',
      'name',
      'what',
      'given_by as givenBy',
      'given_at as givenAt',
      'last_used_at as lastUsedAt',
      'decision',
      'decided_by as decidedBy',
      'decided_at as decidedAt',
    ])
    .where('review', '=', id)
    .orderBy('line');

export async function readReview(
  db: Database,
  tenant: string,
  id: string,
  page: { after: number; limit: number },
): Promise<{ closedAt: Date | null; lines: ReviewLine[] }> {
  const { closedAt } = await reviewOf(db, tenant, id);
  return { closedAt, lines: await lines(db, id).where('line', '>', page.after).limit(page.limit).execute() };
}

/** Keeps the right, or withdraws it at once. @throws RequestError 404, 403, 409 */
export async function decideLine(
  { db, surroundings }: Context,
  caller: Principal,
  { review, line, decision }: { review: string; line: number; decision: 'keep' | 'withdraw' },
): Promise<void> {
  const now = surroundings.now();
  await db.transaction().execute(async (transaction) => {
    const { closedAt } = await reviewOf(transaction, caller.tenant, review);
    if (closedAt !== null) throw refusal('review_closed');
    const found = await lines(transaction, review).where('line', '=', line).executeTakeFirst();
    const right = rights.find(({ kind }) => kind === found?.kind);
    if (found === undefined || right === undefined) throw refusal('line_not_found', { line });
    if (found.decision === 'withdraw') throw refusal('line_withdrawn');
    if (decision === 'withdraw') await right.withdraw(transaction, found, { caller, now });
    await transaction
      .updateTable('access_review_line')
      .set({ decision, decided_by: caller.id, decided_at: now })
      .where('review', '=', review)
      .where('line', '=', line)
      .execute();
    const resource = `${found.kind}:${found.id}`;
    await appendAuditIn(
      transaction,
      changeRecord(actorOf(caller), `reviews:${decision}`, resource, surroundings),
    );
  });
}

/** @throws RequestError 409 while a line is undecided */
export async function closeReview(
  { db, surroundings }: Context,
  caller: Principal,
  id: string,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await reviewOf(transaction, caller.tenant, id);
    const open = await lines(transaction, id).where('decision', 'is', null).limit(1).executeTakeFirst();
    if (open !== undefined) throw refusal('lines_undecided', { line: open.line });
    await transaction
      .updateTable('access_review')
      .set({ closed_at: surroundings.now() })
      .where('id', '=', id)
      .execute();
    const resource = `access-review:${id}`;
    await appendAuditIn(transaction, changeRecord(actorOf(caller), 'reviews:close', resource, surroundings));
  });
}
