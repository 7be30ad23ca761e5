import type { Principal, Role } from '../../contracts/principal.ts';
import type { Snapshot } from '../../contracts/snapshot.ts';
import { refusal } from '../../foundation/errors.ts';
import type { Localized } from '../../foundation/language.ts';
import { canGrant } from '../access/grant.ts';
import { appendAuditIn } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { removeTotp } from '../identity/accounts/factor-store.ts';
import { insertLink, newLinkToken } from '../identity/accounts/links.ts';
import {
  type Account,
  changePrincipal,
  deletePrincipal,
  findAccount,
  insertAccount,
  listAccounts,
  noteUse,
  type PrincipalChanges,
  raiseEpoch,
  setDisabled,
  setEmail,
  unlockAccount,
} from '../identity/accounts/store.ts';
import { demandRoom } from '../identity/room.ts';
import type { Caller } from './routes/support.ts';
import { actorOf, changeRecord } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';
import { needsSecondFactor } from './sign-in.ts';

const DAY_MS = 86_400_000;

export interface AccountContext {
  db: Database;
  tenants: Snapshot['tenants'];
  surroundings: Surroundings;
}

/** A one-time link, shown once to whoever made it. */
export interface Invitation {
  /** Path and query below the gateway's address. */
  path: string;
  expiresAt: string;
}

/** As administrators see it: nothing that opens anything. */
export interface AccountView {
  id: string;
  login: string;
  name: string;
  department: string;
  role: Role;
  email: string;
  breakGlass: boolean;
  createdAt: Date;
  expiresAt: Date | null;
  disabledAt: Date | null;
  lastSignInAt: Date | null;
  /** No password was set yet. */
  invited: boolean;
  secondFactor: boolean;
  secondFactorDemanded: boolean;
  failures: number;
  lockedAt: Date | null;
  /** Sign-in is refused until then. */
  waitsUntil: Date | null;
}

function accountView(account: Account, tenants: Snapshot['tenants'], now: Date): AccountView {
  const { principal, nextAttemptAt, lockedAt } = account;
  return {
    id: principal.id,
    login: account.login,
    name: principal.name,
    department: principal.department,
    role: principal.role,
    email: account.email,
    breakGlass: account.breakGlass,
    createdAt: account.createdAt,
    expiresAt: account.expiresAt,
    disabledAt: account.disabledAt,
    lastSignInAt: account.lastSignInAt,
    invited: account.password === null,
    secondFactor: account.totpSecret !== null,
    secondFactorDemanded: needsSecondFactor(principal.role, tenants[principal.tenant]),
    failures: account.failures,
    lockedAt,
    waitsUntil: nextAttemptAt !== null && nextAttemptAt > now ? nextAttemptAt : null,
  };
}

export async function accountsOf(
  { db, tenants, surroundings }: AccountContext,
  caller: Principal,
): Promise<AccountView[]> {
  const found = await listAccounts(db, caller.tenant);
  return found.map((account) => accountView(account, tenants, surroundings.now()));
}

const roleNamed = (name: Role): Localized => ({ en: `the role ${name}`, zh: `角色 ${name}` });

/** @throws RequestError 403 when the role may do more than the caller's. */
export function demandGrantable(caller: Caller, ...roles: Role[]): void {
  const beyond = roles.find((role) => !canGrant(caller.role, role, caller.actions));
  if (beyond !== undefined) throw refusal('grant_exceeds_own', { gift: roleNamed(beyond) });
}

/** The account of the caller's tenant. @throws RequestError 404; 403 when its role may do more than the caller's */
async function ownAccount(db: Database, caller: Principal, id: string): Promise<Account> {
  const account = await findAccount(db, id, caller.tenant);
  if (account === undefined) throw refusal('account_not_found', { account: id });
  demandGrantable(caller, account.principal.role);
  return account;
}

export interface NewAccount {
  login: string;
  name: string;
  department: string;
  role: Role;
  email: string;
  expiresAt?: string | undefined;
  inviteDays: number;
}

/** Makes an account without a password and the link with which its person sets one. */
export async function createAccount(
  { db, surroundings }: AccountContext,
  caller: Principal,
  wanted: NewAccount,
): Promise<{ id: string; login: string; invitation: Invitation }> {
  demandGrantable(caller, wanted.role);
  const { tenant } = caller;
  const { login, name, department, role, email } = wanted;
  const id = `user_${surroundings.newId()}`;
  const invitation = await db.transaction().execute(async (transaction) => {
    await demandRoom(transaction, 'principals', tenant, surroundings.now());
    const principal: Principal = { id, tenant, kind: 'user', name, department, role };
    const expiresAt = wanted.expiresAt === undefined ? null : new Date(wanted.expiresAt);
    const made = await insertAccount(transaction, {
      principal,
      login,
      email,
      breakGlass: false,
      expiresAt,
      givenBy: caller.id,
    });
    if (!made) throw refusal('login_taken', { login });
    const actor = actorOf(caller);
    await appendAuditIn(transaction, changeRecord(actor, 'accounts:create', `account:${id}`, surroundings));
    return invite(transaction, id, caller.id, wanted.inviteDays, surroundings);
  });
  return { id, login: `${tenant}/${login.toLowerCase()}`, invitation };
}

export async function invite(
  transaction: Database,
  principal: string,
  createdBy: string,
  days: number,
  { now, randomBytes }: Surroundings,
): Promise<Invitation> {
  const token = newLinkToken(randomBytes);
  const expiresAt = new Date(now().getTime() + days * DAY_MS);
  await insertLink(transaction, { token, principal, createdBy, expiresAt, now: now() });
  return { path: `/auth/invitation?token=${token}`, expiresAt: expiresAt.toISOString() };
}

export interface AccountChanges extends Omit<PrincipalChanges, 'expiresAt'> {
  email?: string | undefined;
  expiresAt?: string | null | undefined;
}

export async function changeAccount(
  context: AccountContext,
  caller: Principal,
  id: string,
  changes: AccountChanges,
): Promise<AccountView> {
  const { db, surroundings, tenants } = context;
  const { email, expiresAt, ...rest } = changes;
  return db.transaction().execute(async (transaction) => {
    const { principal } = await ownAccount(transaction, caller, id);
    if (rest.role !== undefined) demandGrantable(caller, rest.role);
    const role = rest.role === principal.role ? undefined : rest.role;
    if (role !== undefined && id === caller.id) throw refusal('own_role');
    await changePrincipal(
      transaction,
      id,
      { ...rest, role, ...(expiresAt === undefined ? {} : { expiresAt: dateOrNull(expiresAt) }) },
      { id: caller.id, now: surroundings.now() },
    );
    if (email !== undefined) await setEmail(transaction, id, email);
    const action = role === undefined ? 'accounts:change' : `accounts:role:${role}`;
    await appendAuditIn(transaction, changeRecord(actorOf(caller), action, `account:${id}`, surroundings));
    return accountView(await ownAccount(transaction, caller, id), tenants, surroundings.now());
  });
}

const dateOrNull = (text: string | null): Date | null => (text === null ? null : new Date(text));

export type AccountVerb = 'disable' | 'enable' | 'unlock' | 'end-sessions' | 'reset-second-factor' | 'delete';

/** What is done to an account as a whole, each with its record. @throws RequestError 404, 403, 409 */
export async function actOnAccount(
  { db, surroundings }: AccountContext,
  caller: Principal,
  id: string,
  verb: AccountVerb,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await ownAccount(transaction, caller, id);
    if (id === caller.id && (verb === 'disable' || verb === 'delete')) throw refusal('own_account', { verb });
    if (!(await apply(transaction, id, verb, surroundings.now()))) return;
    await appendAuditIn(
      transaction,
      changeRecord(actorOf(caller), `accounts:${verb}`, `account:${id}`, surroundings),
    );
  });
}

/** False when it was so already, and there is nothing to record. */
async function apply(transaction: Database, id: string, verb: AccountVerb, now: Date): Promise<boolean> {
  switch (verb) {
    case 'disable':
      return setDisabled(transaction, id, now);
    case 'enable':
      // Otherwise the rule for unused accounts would disable it again.
      await noteUse(transaction, 'principal', id, now);
      return setDisabled(transaction, id, null);
    case 'unlock':
      return unlockAccount(transaction, id);
    case 'end-sessions':
      await raiseEpoch(transaction, id);
      return true;
    case 'reset-second-factor':
      await removeTotp(transaction, id);
      await raiseEpoch(transaction, id);
      return true;
    case 'delete':
      await deletePrincipal(transaction, id, now);
      return true;
  }
}

/** A new link, for a password that was forgotten. The old password works until it is used. */
export async function inviteAgain(
  { db, surroundings }: AccountContext,
  caller: Principal,
  id: string,
  days: number,
): Promise<Invitation> {
  return db.transaction().execute(async (transaction) => {
    await ownAccount(transaction, caller, id);
    await appendAuditIn(
      transaction,
      changeRecord(actorOf(caller), 'accounts:invite', `account:${id}`, surroundings),
    );
    return invite(transaction, id, caller.id, days, surroundings);
  });
}
