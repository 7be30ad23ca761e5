import { sql } from 'kysely';
import type { Conditions, Grant } from '../../../contracts/access.ts';
import type { Database } from '../../database/schema.ts';

export interface StoredGrant {
  id: string;
  subject: Grant['subject'];
  actions: string[];
  resources: string[];
  conditions: Conditions | null;
  note: string;
  expiresAt: Date | null;
  givenBy: string;
  givenAt: Date;
}

const grants = (db: Database, tenant: string) =>
  db.selectFrom('access_grant').selectAll().where('tenant', '=', tenant);

type Row = Awaited<ReturnType<ReturnType<typeof grants>['executeTakeFirstOrThrow']>>;

function grantOf(row: Row): StoredGrant {
  const { id, actions, resources, conditions, note } = row;
  return {
    id,
    subject: { kind: row.subject_kind, id: row.subject },
    actions,
    resources,
    conditions,
    note,
    expiresAt: row.expires_at,
    givenBy: row.given_by,
    givenAt: row.given_at,
  };
}

/** By id, in pages: those after `after`. */
export async function listGrants(
  db: Database,
  tenant: string,
  page: { subject?: Grant['subject'] | undefined; after?: string | undefined; limit: number },
): Promise<StoredGrant[]> {
  let query = grants(db, tenant).orderBy('id').limit(page.limit);
  if (page.after !== undefined) query = query.where('id', '>', page.after);
  if (page.subject !== undefined)
    query = query.where('subject_kind', '=', page.subject.kind).where('subject', '=', page.subject.id);
  return (await query.execute()).map(grantOf);
}

export async function findGrant(db: Database, tenant: string, id: string): Promise<StoredGrant | undefined> {
  const row = await grants(db, tenant).where('id', '=', id).forUpdate().executeTakeFirst();
  return row === undefined ? undefined : grantOf(row);
}

export async function countGrants(db: Database, tenant: string): Promise<number> {
  const { count } = await db
    .selectFrom('access_grant')
    .select(sql<number>`count(*)::integer`.as('count'))
    .where('tenant', '=', tenant)
    .executeTakeFirstOrThrow();
  return count;
}

export async function insertGrant(
  db: Database,
  tenant: string,
  grant: Omit<StoredGrant, 'conditions'> & { conditions: Conditions | undefined },
): Promise<void> {
  await db
    .insertInto('access_grant')
    .values({
      id: grant.id,
      tenant,
      subject_kind: grant.subject.kind,
      subject: grant.subject.id,
      actions: JSON.stringify(grant.actions),
      resources: JSON.stringify(grant.resources),
      conditions: grant.conditions === undefined ? null : JSON.stringify(grant.conditions),
      note: grant.note,
      expires_at: grant.expiresAt,
      given_by: grant.givenBy,
      given_at: grant.givenAt,
    })
    .execute();
}

/** False when there was none. */
export async function deleteGrant(db: Database, tenant: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('access_grant')
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
