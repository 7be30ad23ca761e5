import { sql } from 'kysely';
import type { Principal } from '../../contracts/principal.ts';
import type { SnapshotInput } from '../../contracts/snapshot.ts';
import type { Database } from '../database/schema.ts';

/** A number that changes whenever principals or keys may have. */
export async function peopleRevision(db: Database): Promise<string> {
  const { value } = await db.selectFrom('revision').select('value').executeTakeFirstOrThrow();
  return value;
}

/** Enabled principals that can act, and the keys that are neither revoked nor expired. */
export async function readPeople(
  db: Database,
  now: Date,
): Promise<Pick<SnapshotInput, 'principals' | 'keys'>> {
  const principals = await db
    .selectFrom('principal')
    .select(['id', 'tenant', 'kind', 'name', 'department', 'role', 'epoch', 'expires_at'])
    .where('disabled_at', 'is', null)
    .execute();
  const keys = await db
    .selectFrom('api_key')
    .innerJoin('principal', 'principal.id', 'api_key.principal')
    .select([
      'api_key.id',
      'api_key.principal',
      'api_key.sha256',
      'api_key.created_at',
      'api_key.expires_at',
      'api_key.scopes',
      'api_key.signing_secret',
    ])
    .where('revoked_at', 'is', null)
    .where('principal.disabled_at', 'is', null)
    .where((where) =>
      where.or([where('api_key.expires_at', 'is', null), where('api_key.expires_at', '>', now)]),
    )
    .execute();
  const withKeys = new Set(keys.map(({ principal }) => principal));
  return {
    principals: Object.fromEntries(
      principals
        // An application acts by its keys alone.
        .filter(({ kind, id }) => kind !== 'application' || withKeys.has(id))
        .map(({ expires_at, ...principal }) => [
          principal.id,
          { ...principal, ...(expires_at === null ? {} : { expiresAt: expires_at.toISOString() }) },
        ]),
    ),
    keys: Object.fromEntries(
      keys.map(({ sha256, id, principal, created_at, expires_at, scopes, signing_secret }) => [
        sha256,
        {
          id,
          principal,
          createdAt: created_at.toISOString(),
          ...(expires_at === null ? {} : { expiresAt: expires_at.toISOString() }),
          ...(scopes === null || Object.keys(scopes).length === 0 ? {} : { scopes }),
          ...(signing_secret === null ? {} : { signingSecret: signing_secret }),
        },
      ]),
    ),
  };
}

export async function insertPrincipal(db: Database, principal: Principal): Promise<void> {
  await db.insertInto('principal').values(principal).execute();
}

export async function upsertPrincipal(db: Database, principal: Principal): Promise<void> {
  const { tenant, kind, name, department, role } = principal;
  await db
    .insertInto('principal')
    .values(principal)
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ tenant, kind, name, department, role }))
    .execute();
}

export interface NewKey {
  id: string;
  principal: string;
  sha256: string;
  createdBy: string;
  expiresAt: Date | null;
}

export async function insertKey(db: Database, key: NewKey): Promise<void> {
  await db
    .insertInto('api_key')
    .values({
      id: key.id,
      principal: key.principal,
      sha256: key.sha256,
      created_by: key.createdBy,
      expires_at: key.expiresAt,
    })
    .execute();
}

export interface KeyRow {
  id: string;
  principal: string;
  name: string;
  department: string;
  role: string;
  createdAt: Date;
  createdBy: string;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export async function listKeys(db: Database, tenant: string): Promise<KeyRow[]> {
  return db
    .selectFrom('api_key')
    .innerJoin('principal', 'principal.id', 'api_key.principal')
    .select([
      'api_key.id',
      'api_key.principal',
      'principal.name',
      'principal.department',
      'principal.role',
      'api_key.created_at as createdAt',
      'api_key.created_by as createdBy',
      'api_key.expires_at as expiresAt',
      'api_key.revoked_at as revokedAt',
    ])
    .where('principal.tenant', '=', tenant)
    .orderBy('api_key.created_at', 'desc')
    .limit(1000)
    .execute();
}

/** False when the tenant has no such key in force. */
export async function revokeKey(db: Database, tenant: string, id: string): Promise<boolean> {
  const result = await db
    .updateTable('api_key')
    .set({ revoked_at: sql`now()` })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .where('principal', 'in', (from) =>
      from.selectFrom('principal').select('principal.id').where('principal.tenant', '=', tenant),
    )
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export async function revokeKeysOf(db: Database, principal: string): Promise<void> {
  await db
    .updateTable('api_key')
    .set({ revoked_at: sql`now()` })
    .where('principal', '=', principal)
    .where('revoked_at', 'is', null)
    .execute();
}
