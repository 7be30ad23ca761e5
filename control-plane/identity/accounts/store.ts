import { sql } from 'kysely';
import type { Principal } from '../../../contracts/principal.ts';
import type { Database } from '../../database/schema.ts';

/** A local account with the principal that it is. */
export interface Account {
  principal: Principal;
  epoch: number;
  login: string;
  email: string;
  password: string | null;
  breakGlass: boolean;
  totpSecret: string | null;
  totpPending: string | null;
  totpStep: number;
  failures: number;
  nextAttemptAt: Date | null;
  lockedAt: Date | null;
  disabledAt: Date | null;
  expiresAt: Date | null;
  lastSignInAt: Date | null;
  createdAt: Date;
}

const accounts = (db: Database) =>
  db
    .selectFrom('local_account as a')
    .innerJoin('principal as p', 'p.id', 'a.principal')
    .select([
      'p.id',
      'p.tenant',
      'p.kind',
      'p.name',
      'p.department',
      'p.role',
      'p.epoch',
      'p.created_at',
      'p.disabled_at',
      'p.expires_at',
      'a.login',
      'a.email',
      'a.password',
      'a.break_glass',
      'a.totp_secret',
      'a.totp_pending',
      'a.totp_step',
      'a.failures',
      'a.next_attempt_at',
      'a.locked_at',
      'a.last_sign_in_at',
    ])
    .where('p.deleted_at', 'is', null);

type Row = Awaited<ReturnType<ReturnType<typeof accounts>['executeTakeFirstOrThrow']>>;

function accountOf(row: Row): Account {
  const { id, tenant, kind, name, department, role } = row;
  return {
    principal: { id, tenant, kind, name, department, role },
    epoch: row.epoch,
    login: row.login,
    email: row.email,
    password: row.password,
    breakGlass: row.break_glass,
    totpSecret: row.totp_secret,
    totpPending: row.totp_pending,
    totpStep: Number(row.totp_step),
    failures: row.failures,
    nextAttemptAt: row.next_attempt_at,
    lockedAt: row.locked_at,
    disabledAt: row.disabled_at,
    expiresAt: row.expires_at,
    lastSignInAt: row.last_sign_in_at,
    createdAt: row.created_at,
  };
}

export async function findAccountByLogin(
  db: Database,
  tenant: string,
  login: string,
): Promise<Account | undefined> {
  const row = await accounts(db)
    .where('a.tenant', '=', tenant)
    .where('a.login', '=', login.toLowerCase())
    .executeTakeFirst();
  return row === undefined ? undefined : accountOf(row);
}

/** By the principal's id; within the tenant, when one is given. */
export async function findAccount(
  db: Database,
  principal: string,
  tenant?: string,
): Promise<Account | undefined> {
  let query = accounts(db).where('p.id', '=', principal);
  if (tenant !== undefined) query = query.where('p.tenant', '=', tenant);
  const row = await query.executeTakeFirst();
  return row === undefined ? undefined : accountOf(row);
}

export async function listAccounts(db: Database, tenant: string): Promise<Account[]> {
  const rows = await accounts(db).where('p.tenant', '=', tenant).orderBy('a.login').limit(5000).execute();
  return rows.map(accountOf);
}

/** False when the tenant has that login already. */
export async function insertAccount(
  db: Database,
  account: {
    principal: Principal;
    login: string;
    email: string;
    breakGlass: boolean;
    expiresAt: Date | null;
    givenBy: string;
  },
): Promise<boolean> {
  const { principal, login, email, breakGlass, expiresAt, givenBy } = account;
  await db
    .insertInto('principal')
    .values({ ...principal, expires_at: expiresAt, role_given_by: givenBy })
    .execute();
  const result = await db
    .insertInto('local_account')
    .values({
      principal: principal.id,
      tenant: principal.tenant,
      login: login.toLowerCase(),
      email,
      break_glass: breakGlass,
    })
    .onConflict((conflict) => conflict.columns(['tenant', 'login']).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Failed attempts from which each further one has to wait, twice as long each time; and from which the account is locked. */
const FREE_FAILURES = 2;
const LOCK_AT = 10;
const LONGEST_DELAY_SECONDS = 64;
const LOCK_SECONDS = 3600;

/**
 * Counts an attempt before its password is looked at, so that a thousand at once are counted too; `endAttempt` takes
 * it back. Undefined when the account must wait. The break-glass account waits a minute at most and is never locked:
 * its password cannot be guessed, and nobody may keep its owner out.
 */
export async function beginAttempt(
  db: Database,
  principal: string,
  now: Date,
): Promise<{ failures: number; locked: boolean } | undefined> {
  const { rows } = await sql<{ failures: number; locked: boolean }>`
    UPDATE imageplane.local_account SET
      failures = failures + 1,
      next_attempt_at = ${now}::timestamptz + interval '1 second' * CASE
        WHEN failures + 1 >= ${LOCK_AT} AND NOT break_glass THEN ${LOCK_SECONDS}
        WHEN failures + 1 > ${FREE_FAILURES} THEN least(${LONGEST_DELAY_SECONDS}, 2 ^ least(failures - ${FREE_FAILURES}, 10))
        ELSE 0 END,
      locked_at = CASE WHEN failures + 1 >= ${LOCK_AT} AND NOT break_glass THEN ${now}::timestamptz ELSE locked_at END
    WHERE principal = ${principal} AND (next_attempt_at IS NULL OR next_attempt_at <= ${now}::timestamptz)
    RETURNING failures, failures = ${LOCK_AT} AND NOT break_glass AS locked`.execute(db);
  return rows[0];
}

export async function endAttempt(db: Database, principal: string, now: Date): Promise<void> {
  await db
    .updateTable('local_account')
    .set({ failures: 0, next_attempt_at: null, locked_at: null, last_sign_in_at: now })
    .where('principal', '=', principal)
    .execute();
}

/** False when it was not locked or delayed. */
export async function unlockAccount(db: Database, principal: string): Promise<boolean> {
  const result = await db
    .updateTable('local_account')
    .set({ failures: 0, next_attempt_at: null, locked_at: null })
    .where('principal', '=', principal)
    .where('failures', '>', 0)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export async function setPassword(db: Database, principal: string, hash: string, now: Date): Promise<void> {
  await db
    .updateTable('local_account')
    .set({ password: hash, password_set_at: now, failures: 0, next_attempt_at: null, locked_at: null })
    .where('principal', '=', principal)
    .execute();
}

/** The same password under newer parameters: nothing else changes. */
export async function replaceHash(db: Database, principal: string, old: string, hash: string): Promise<void> {
  await db
    .updateTable('local_account')
    .set({ password: hash })
    .where('principal', '=', principal)
    .where('password', '=', old)
    .execute();
}

/** Ends every session and token of the principal. */
export async function raiseEpoch(db: Database, principal: string): Promise<void> {
  await db
    .updateTable('principal')
    .set({ epoch: sql`epoch + 1` })
    .where('id', '=', principal)
    .execute();
}

export interface PrincipalChanges {
  name?: string | undefined;
  department?: string | undefined;
  role?: Principal['role'] | undefined;
  expiresAt?: Date | null | undefined;
}

/** Only the columns that are given. Another role ends every session, and is noted with who gave it. */
export async function changePrincipal(
  db: Database,
  principal: string,
  { name, department, role, expiresAt }: PrincipalChanges,
  by: { id: string; now: Date },
): Promise<void> {
  await db
    .updateTable('principal')
    .set({
      ...(name === undefined ? {} : { name }),
      ...(department === undefined ? {} : { department }),
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
      ...(role === undefined
        ? {}
        : { role, role_given_by: by.id, role_given_at: by.now, epoch: sql<number>`epoch + 1` }),
      // Never an empty SET.
      id: principal,
    })
    .where('id', '=', principal)
    .execute();
}

export async function setEmail(db: Database, principal: string, email: string): Promise<void> {
  await db.updateTable('local_account').set({ email }).where('principal', '=', principal).execute();
}

/** False when it was so already. Disabling ends sessions and tokens; keys are refused as long as it lasts. */
export async function setDisabled(
  db: Database,
  principal: string,
  disabledAt: Date | null,
): Promise<boolean> {
  const result = await db
    .updateTable('principal')
    .set({ disabled_at: disabledAt, epoch: sql<number>`epoch + 1` })
    .where('id', '=', principal)
    .where('deleted_at', 'is', null)
    .where('disabled_at', disabledAt === null ? 'is not' : 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** The name goes, the id stays: audit and usage go on meaning what they meant. */
export async function deletePrincipal(db: Database, principal: string, now: Date): Promise<void> {
  await db.deleteFrom('recovery_code').where('principal', '=', principal).execute();
  await db.deleteFrom('account_link').where('principal', '=', principal).execute();
  await db.deleteFrom('local_account').where('principal', '=', principal).execute();
  await db
    .updateTable('api_key')
    .set({ revoked_at: now })
    .where('principal', '=', principal)
    .where('revoked_at', 'is', null)
    .execute();
  await db
    .updateTable('principal')
    .set({
      name: '(deleted)',
      department: '',
      role: 'guest',
      disabled_at: now,
      deleted_at: now,
      epoch: sql<number>`epoch + 1`,
    })
    .where('id', '=', principal)
    .execute();
}

/** As a gateway reports it. */
export async function noteUse(
  db: Database,
  kind: 'key' | 'principal' | 'rule',
  id: string,
  now: Date,
): Promise<void> {
  await sql`SELECT imageplane.note_use(${JSON.stringify([{ kind, id, at: now.toISOString() }])}::jsonb)`.execute(
    db,
  );
}
