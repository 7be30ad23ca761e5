import { sha256Hex } from '../../../foundation/secret.ts';
import type { Database } from '../../database/schema.ts';

/** One-time links, with which a person sets a password: `ipl_` and 256 random bits. Their SHA-256 is kept. */
export function newLinkToken(randomBytes: (size: number) => Buffer): string {
  return `ipl_${randomBytes(32).toString('base64url')}`;
}

/** Links made before are void. */
export async function insertLink(
  db: Database,
  link: { token: string; principal: string; createdBy: string; expiresAt: Date; now: Date },
): Promise<void> {
  await voidLinks(db, link.principal, link.now);
  await db
    .insertInto('account_link')
    .values({
      sha256: sha256Hex(link.token),
      principal: link.principal,
      created_by: link.createdBy,
      created_at: link.now,
      expires_at: link.expiresAt,
    })
    .execute();
}

export async function voidLinks(db: Database, principal: string, now: Date): Promise<void> {
  await db
    .updateTable('account_link')
    .set({ used_at: now })
    .where('principal', '=', principal)
    .where('used_at', 'is', null)
    .execute();
}

/** Whose it is; undefined when it is unknown, used or expired. Uses nothing up: scanners of mail open links. */
export async function readLink(db: Database, token: string, now: Date): Promise<string | undefined> {
  const row = await db
    .selectFrom('account_link')
    .select('principal')
    .where('sha256', '=', sha256Hex(token))
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return row?.principal;
}

/** Uses the link up, in the caller's transaction. Undefined when it cannot be used any more. */
export async function takeLink(db: Database, token: string, now: Date): Promise<string | undefined> {
  const row = await db
    .updateTable('account_link')
    .set({ used_at: now })
    .where('sha256', '=', sha256Hex(token))
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .returning('principal')
    .executeTakeFirst();
  return row?.principal;
}
