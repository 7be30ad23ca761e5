import type { Principal } from '../../../contracts/principal.ts';
import { sha256Hex } from '../../../foundation/secret.ts';
import type { Database } from '../../database/schema.ts';
import { hashApiKey } from '../api-key.ts';

/** Who presents a key at the token endpoint: the principal, if key and principal are in force. */
export interface KeyHolder {
  principal: Principal;
  epoch: number;
  keyId: string;
  expiresAt: Date | null;
}

const holders = (db: Database, now: Date) =>
  db
    .selectFrom('api_key as k')
    .innerJoin('principal as p', 'p.id', 'k.principal')
    .select([
      'p.id',
      'p.tenant',
      'p.kind',
      'p.name',
      'p.department',
      'p.role',
      'p.epoch',
      'k.id as keyId',
      'k.expires_at as expiresAt',
    ])
    .where('k.revoked_at', 'is', null)
    .where((where) => where.or([where('k.expires_at', 'is', null), where('k.expires_at', '>', now)]))
    .where('p.disabled_at', 'is', null)
    .where((where) => where.or([where('p.expires_at', 'is', null), where('p.expires_at', '>', now)]));

type Row = Awaited<ReturnType<ReturnType<typeof holders>['executeTakeFirstOrThrow']>>;
const holderOf = ({ epoch, keyId, expiresAt, ...principal }: Row): KeyHolder => ({
  principal,
  epoch,
  keyId,
  expiresAt,
});

/** By the SHA-256 of the whole key. */
export async function findKeyHolder(db: Database, key: string, now: Date): Promise<KeyHolder | undefined> {
  const row = await holders(db, now).where('k.sha256', '=', hashApiKey(key)).executeTakeFirst();
  return row === undefined ? undefined : holderOf(row);
}

async function findKeyHolderById(db: Database, keyId: string, now: Date): Promise<KeyHolder | undefined> {
  const row = await holders(db, now).where('k.id', '=', keyId).executeTakeFirst();
  return row === undefined ? undefined : holderOf(row);
}

/** All the tokens that came of one sign-in of an application. */
export interface TokenFamily {
  id: string;
  expiresAt: Date;
}

export async function insertFamily(
  db: Database,
  family: TokenFamily & { principal: string; key: string; now: Date },
): Promise<void> {
  await db
    .insertInto('token_family')
    .values({
      id: family.id,
      principal: family.principal,
      key: family.key,
      created_at: family.now,
      expires_at: family.expiresAt,
      revoked_at: null,
    })
    .execute();
}

export async function insertRefreshToken(db: Database, token: string, family: TokenFamily): Promise<void> {
  await db
    .insertInto('refresh_token')
    .values({ sha256: sha256Hex(token), family: family.id, expires_at: family.expiresAt, used_at: null })
    .execute();
}

export type Refreshed =
  | { kind: 'refreshed'; holder: KeyHolder; family: TokenFamily }
  | { kind: 'invalid' }
  /** It was used before: either its owner or a thief has the newer one, and nobody can tell who. */
  | { kind: 'reused'; family: string; principal: string; tenant: string };

/**
 * Uses a refresh token up, in the caller's transaction. One that was used before revokes its whole family. The family's
 * row is locked first, so that of two at once one is the second.
 */
export async function takeRefreshToken(db: Database, token: string, now: Date): Promise<Refreshed> {
  const row = await db
    .selectFrom('refresh_token as t')
    .innerJoin('token_family as f', 'f.id', 't.family')
    .innerJoin('principal as p', 'p.id', 'f.principal')
    .select(['f.id', 'f.key', 'f.principal', 'p.tenant', 'f.expires_at', 'f.revoked_at'])
    .where('t.sha256', '=', sha256Hex(token))
    .forUpdate('f')
    .executeTakeFirst();
  if (row === undefined || row.revoked_at !== null || row.expires_at <= now) return { kind: 'invalid' };
  const taken = await db
    .updateTable('refresh_token')
    .set({ used_at: now })
    .where('sha256', '=', sha256Hex(token))
    .where('used_at', 'is', null)
    .executeTakeFirst();
  if (taken.numUpdatedRows === 0n) {
    await revokeFamily(db, row.id, now);
    return { kind: 'reused', family: row.id, principal: row.principal, tenant: row.tenant };
  }
  const holder = await findKeyHolderById(db, row.key, now);
  if (holder === undefined) return { kind: 'invalid' };
  return { kind: 'refreshed', holder, family: { id: row.id, expiresAt: row.expires_at } };
}

async function revokeFamily(db: Database, family: string, now: Date): Promise<void> {
  await db
    .updateTable('token_family')
    .set({ revoked_at: now })
    .where('id', '=', family)
    .where('revoked_at', 'is', null)
    .execute();
}

/** Families revoked so lately that access tokens of theirs may still be in time. */
export async function revokedFamilies(db: Database, since: Date): Promise<string[]> {
  const rows = await db
    .selectFrom('token_family')
    .select('id')
    .where('revoked_at', '>', since)
    .orderBy('id')
    .execute();
  return rows.map(({ id }) => id);
}

/** Removes what has expired. */
export async function forgetFamilies(db: Database, before: Date): Promise<void> {
  await db.deleteFrom('token_family').where('expires_at', '<', before).execute();
}
