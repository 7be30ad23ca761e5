import { sql } from 'kysely';
import type { Principal } from '../../../contracts/principal.ts';
import type { ApplicationScopes } from '../../database/identity-schema.ts';
import type { Database } from '../../database/schema.ts';

/** A principal that is no person: somebody owns it. */
export interface Application {
  principal: Principal;
  owner: string;
  description: string;
  scopes: ApplicationScopes;
  createdAt: Date;
  createdBy: string;
  disabledAt: Date | null;
  expiresAt: Date | null;
}

const applications = (db: Database) =>
  db
    .selectFrom('application as a')
    .innerJoin('principal as p', 'p.id', 'a.principal')
    .select([
      'p.id',
      'p.tenant',
      'p.kind',
      'p.name',
      'p.department',
      'p.role',
      'p.disabled_at',
      'p.expires_at',
      'a.owner',
      'a.description',
      'a.scopes',
      'a.created_at',
      'a.created_by',
    ])
    .where('p.deleted_at', 'is', null);

type Row = Awaited<ReturnType<ReturnType<typeof applications>['executeTakeFirstOrThrow']>>;

function applicationOf(row: Row): Application {
  const { id, tenant, kind, name, department, role } = row;
  return {
    principal: { id, tenant, kind, name, department, role },
    owner: row.owner,
    description: row.description,
    scopes: row.scopes,
    createdAt: row.created_at,
    createdBy: row.created_by,
    disabledAt: row.disabled_at,
    expiresAt: row.expires_at,
  };
}

/** `locked`: nobody else changes it before the transaction ends. */
export async function findApplication(
  db: Database,
  tenant: string,
  id: string,
  locked = false,
): Promise<Application | undefined> {
  let query = applications(db).where('p.id', '=', id).where('p.tenant', '=', tenant);
  if (locked) query = query.forUpdate('a');
  const row = await query.executeTakeFirst();
  return row === undefined ? undefined : applicationOf(row);
}

/** All of the tenant, or those of one owner. */
export async function listApplications(
  db: Database,
  tenant: string,
  owner: string | undefined,
): Promise<Application[]> {
  let query = applications(db).where('p.tenant', '=', tenant).orderBy('a.created_at', 'desc').limit(5000);
  if (owner !== undefined) query = query.where('a.owner', '=', owner);
  return (await query.execute()).map(applicationOf);
}

export async function insertApplication(
  db: Database,
  application: {
    principal: Principal;
    owner: string;
    description: string;
    scopes: ApplicationScopes;
    expiresAt: Date | null;
  },
): Promise<void> {
  const { principal, owner, description, scopes, expiresAt } = application;
  await db
    .insertInto('principal')
    .values({ ...principal, expires_at: expiresAt, role_given_by: owner })
    .execute();
  await db
    .insertInto('application')
    .values({
      principal: principal.id,
      owner,
      description,
      scopes,
      created_by: owner,
    })
    .execute();
}

export async function changeApplication(
  db: Database,
  id: string,
  changes: {
    description?: string | undefined;
    scopes?: ApplicationScopes | undefined;
    owner?: string | undefined;
  },
): Promise<void> {
  const { description, scopes, owner } = changes;
  await db
    .updateTable('application')
    .set({
      ...(description === undefined ? {} : { description }),
      ...(scopes === undefined ? {} : { scopes }),
      ...(owner === undefined ? {} : { owner }),
      principal: id,
    })
    .where('principal', '=', id)
    .execute();
  // Its keys carry the scopes in the snapshot.
  if (scopes !== undefined)
    await db.updateTable('api_key').set({ scopes }).where('principal', '=', id).execute();
}

/** One key of an application: what is visible of it, and when it ends. */
export interface ApplicationKey {
  id: string;
  createdAt: Date;
  createdBy: string;
  expiresAt: Date | null;
  revokedAt: Date | null;
  lastUsedAt: Date | null;
  signs: boolean;
}

export async function insertApplicationKey(
  db: Database,
  key: {
    id: string;
    principal: string;
    sha256: string;
    createdBy: string;
    createdAt: Date;
    expiresAt: Date;
    scopes: ApplicationScopes;
    signingSecret: string | null;
  },
): Promise<void> {
  await db
    .insertInto('api_key')
    .values({
      id: key.id,
      principal: key.principal,
      sha256: key.sha256,
      created_by: key.createdBy,
      created_at: key.createdAt,
      expires_at: key.expiresAt,
      scopes: key.scopes,
      signing_secret: key.signingSecret,
    })
    .execute();
}

export async function listApplicationKeys(db: Database, application: string): Promise<ApplicationKey[]> {
  return db
    .selectFrom('api_key as k')
    .leftJoin('last_use as u', (join) => join.onRef('u.id', '=', 'k.id').on('u.kind', '=', 'key'))
    .select([
      'k.id',
      'k.created_at as createdAt',
      'k.created_by as createdBy',
      'k.expires_at as expiresAt',
      'k.revoked_at as revokedAt',
      'u.used_at as lastUsedAt',
      sql<boolean>`k.signing_secret IS NOT NULL`.as('signs'),
    ])
    .where('k.principal', '=', application)
    .orderBy('k.created_at', 'desc')
    .limit(100)
    .execute();
}

/** Those that still open something. */
export function liveKeys(keys: readonly ApplicationKey[], now: Date): ApplicationKey[] {
  return keys.filter(
    ({ revokedAt, expiresAt }) => revokedAt === null && (expiresAt === null || expiresAt > now),
  );
}

/** Never later than it was to end anyway. */
export async function shortenKey(db: Database, key: string, until: Date): Promise<void> {
  await db
    .updateTable('api_key')
    .set({ expires_at: sql<Date>`least(expires_at, ${until}::timestamptz)` })
    .where('id', '=', key)
    .execute();
}

/** False when the application has no such key in force. */
export async function revokeApplicationKey(
  db: Database,
  application: string,
  key: string,
  now: Date,
): Promise<boolean> {
  const result = await db
    .updateTable('api_key')
    .set({ revoked_at: now })
    .where('id', '=', key)
    .where('principal', '=', application)
    .where('revoked_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
