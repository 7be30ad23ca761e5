import type { Database } from '../../database/schema.ts';

export async function setPendingTotp(db: Database, principal: string, wrapped: string): Promise<void> {
  await db
    .updateTable('local_account')
    .set({ totp_pending: wrapped })
    .where('principal', '=', principal)
    .execute();
}

/** The pending secret becomes the one that counts; the code that proved it is taken. */
export async function confirmTotp(
  db: Database,
  principal: string,
  wrapped: string,
  step: number,
): Promise<void> {
  await db
    .updateTable('local_account')
    .set({ totp_secret: wrapped, totp_pending: null, totp_step: String(step) })
    .where('principal', '=', principal)
    .execute();
}

export async function removeTotp(db: Database, principal: string): Promise<void> {
  await db
    .updateTable('local_account')
    .set({ totp_secret: null, totp_pending: null, totp_step: '0' })
    .where('principal', '=', principal)
    .execute();
  await db.deleteFrom('recovery_code').where('principal', '=', principal).execute();
}

/** False when that step's code, or a later one, was taken meanwhile. */
export async function takeStep(db: Database, principal: string, step: number): Promise<boolean> {
  const result = await db
    .updateTable('local_account')
    .set({ totp_step: String(step) })
    .where('principal', '=', principal)
    .where('totp_step', '<', String(step))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** In place of all that there were. */
export async function replaceRecoveryCodes(db: Database, principal: string, hashes: string[]): Promise<void> {
  await db.deleteFrom('recovery_code').where('principal', '=', principal).execute();
  await db
    .insertInto('recovery_code')
    .values(hashes.map((sha256) => ({ principal, sha256 })))
    .execute();
}

/** False when there is no such code that is unused: it works once. */
export async function takeRecoveryCode(
  db: Database,
  principal: string,
  hash: string,
  now: Date,
): Promise<boolean> {
  const result = await db
    .updateTable('recovery_code')
    .set({ used_at: now })
    .where('principal', '=', principal)
    .where('sha256', '=', hash)
    .where('used_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
