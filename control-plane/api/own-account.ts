import type { Snapshot } from '../../contracts/snapshot.ts';
import { refusal, type RequestError } from '../../foundation/errors.ts';
import { sha256Hex } from '../../foundation/secret.ts';
import { appendAuditIn } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import {
  confirmTotp,
  removeTotp,
  replaceRecoveryCodes,
  setPendingTotp,
} from '../identity/accounts/factor-store.ts';
import { readLink, takeLink, voidLinks } from '../identity/accounts/links.ts';
import { passwordProblem } from '../identity/accounts/password.ts';
import {
  type Account,
  beginAttempt,
  endAttempt,
  findAccount,
  raiseEpoch,
  setPassword,
} from '../identity/accounts/store.ts';
import {
  canonicalRecoveryCode,
  fromBase32,
  matchingStep,
  newRecoveryCode,
  newTotpSecret,
  otpauthUri,
} from '../identity/accounts/totp.ts';
import { actorOf, changeRecord, type IdentityTools, wrapperOf } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';
import { needsSecondFactor } from './sign-in.ts';

/** What people do to their own account: set a password by link, change it, add a second factor. */
export interface OwnAccountContext {
  db: Database;
  tenants: Snapshot['tenants'];
  tools: IdentityTools;
  surroundings: Surroundings;
}

/** For an authenticator app. Shown to its owner alone, until the first code confirms it. */
export interface Enrolment {
  secret: string;
  uri: string;
}

const RECOVERY_CODES = 10;

const linkInvalid = (): RequestError => refusal('link_invalid');

const passwordWrong = (): RequestError => refusal('password_wrong');

/** Whom a link is for, and the second factor to set up with it. Uses nothing up. @throws RequestError 410 */
export async function openLink(
  context: OwnAccountContext,
  token: string,
): Promise<{ account: string; name: string; enrolment: Enrolment | undefined }> {
  const { db, tenants, surroundings } = context;
  const id = await readLink(db, token, surroundings.now());
  const account = id === undefined ? undefined : await findAccount(db, id);
  if (account === undefined) throw linkInvalid();
  const { principal, login, totpSecret } = account;
  const demanded = totpSecret === null && needsSecondFactor(principal.role, tenants[principal.tenant]);
  return {
    account: `${principal.tenant}/${login}`,
    name: principal.name,
    enrolment: demanded ? await enrolmentOf(context, account) : undefined,
  };
}

/** The pending secret, or a new one. */
async function enrolmentOf(context: OwnAccountContext, account: Account): Promise<Enrolment> {
  const { db, tools, surroundings } = context;
  const wrapper = wrapperOf(tools, 'totp');
  const { id, tenant } = account.principal;
  let secret = account.totpPending === null ? undefined : wrapper.unwrap(account.totpPending, id);
  if (secret === undefined) {
    secret = newTotpSecret(surroundings.randomBytes);
    await setPendingTotp(db, id, wrapper.wrap(secret, id));
  }
  return { secret, uri: otpauthUri(secret, `${tenant}/${account.login}`) };
}

/** Makes the pending secret count, when the code is its. @throws RequestError 422 */
async function confirm(
  transaction: Database,
  account: Account,
  code: string,
  { tools, surroundings }: OwnAccountContext,
): Promise<string[]> {
  const { id } = account.principal;
  const wrapped = account.totpPending ?? '';
  const secret = fromBase32(wrapperOf(tools, 'totp').unwrap(wrapped, id) ?? '');
  const step =
    secret === undefined || secret.length === 0
      ? undefined
      : matchingStep(secret, code, 0, surroundings.now());
  if (step === undefined) throw refusal('code_wrong');
  await confirmTotp(transaction, id, wrapped, step);
  return newRecoveryCodes(transaction, id, surroundings);
}

async function newRecoveryCodes(
  transaction: Database,
  id: string,
  { randomBytes }: Surroundings,
): Promise<string[]> {
  const codes = Array.from({ length: RECOVERY_CODES }, () => newRecoveryCode(randomBytes));
  await replaceRecoveryCodes(
    transaction,
    id,
    codes.map((code) => sha256Hex(canonicalRecoveryCode(code) ?? '')),
  );
  return codes;
}

/** @throws RequestError 422 with what is wrong about it. */
function demandGoodPassword(password: string, { principal, login }: Account): void {
  const problem = passwordProblem(password, [login, principal.tenant, principal.name]);
  if (problem !== undefined) throw refusal('password_weak', { problem });
}

/**
 * Sets the password, and the second factor where one is demanded, and uses the link up; every session ends.
 * @throws RequestError 410, 422
 */
export async function acceptLink(
  context: OwnAccountContext,
  given: { token: string; password: string; code: string | undefined },
): Promise<{ account: string; recoveryCodes: string[] }> {
  const { db, tenants, tools, surroundings } = context;
  const now = surroundings.now();
  const id = await readLink(db, given.token, now);
  const candidate = id === undefined ? undefined : await findAccount(db, id);
  if (candidate === undefined) throw linkInvalid();
  demandGoodPassword(given.password, candidate);
  const hash = await tools.hasher.hash(given.password);
  return db.transaction().execute(async (transaction) => {
    const taken = await takeLink(transaction, given.token, now);
    const account = taken === undefined ? undefined : await findAccount(transaction, taken);
    if (account === undefined) throw linkInvalid();
    const { principal, login, totpSecret } = account;
    const demanded = totpSecret === null && needsSecondFactor(principal.role, tenants[principal.tenant]);
    const recoveryCodes = demanded ? await confirm(transaction, account, given.code ?? '', context) : [];
    await setPassword(transaction, principal.id, hash, now);
    await raiseEpoch(transaction, principal.id);
    const resource = `account:${principal.id}`;
    const actor = { ...actorOf(principal), rule: 'link' };
    await appendAuditIn(transaction, changeRecord(actor, 'accounts:password', resource, surroundings));
    return { account: `${principal.tenant}/${login}`, recoveryCodes };
  });
}

/** The caller's account, its password checked once more. @throws RequestError 403, 404 */
async function confirmed(
  { db, tools, surroundings }: OwnAccountContext,
  principal: string,
  password: string,
): Promise<Account> {
  const account = await findAccount(db, principal);
  if (account === undefined) throw refusal('no_local_account');
  const now = surroundings.now();
  const attempt = await beginAttempt(db, principal, now);
  const stored = attempt === undefined ? undefined : (account.password ?? undefined);
  if (!(await tools.hasher.verify(password, stored)).right) throw passwordWrong();
  await endAttempt(db, principal, now);
  return account;
}

/** Every session and token ends, the one in use included. */
export async function changeOwnPassword(
  context: OwnAccountContext,
  principal: string,
  given: { current: string; password: string },
): Promise<void> {
  const { db, tools, surroundings } = context;
  const account = await confirmed(context, principal, given.current);
  demandGoodPassword(given.password, account);
  const hash = await tools.hasher.hash(given.password);
  await db.transaction().execute(async (transaction) => {
    await setPassword(transaction, principal, hash, surroundings.now());
    await voidLinks(transaction, principal, surroundings.now());
    await raiseEpoch(transaction, principal);
    const actor = { ...actorOf(account.principal), rule: 'own' };
    await appendAuditIn(
      transaction,
      changeRecord(actor, 'accounts:password', `account:${principal}`, surroundings),
    );
  });
}

/** @throws RequestError 409 when there is a second factor already. */
export async function beginSecondFactor(
  context: OwnAccountContext,
  principal: string,
  password: string,
): Promise<Enrolment> {
  const account = await confirmed(context, principal, password);
  if (account.totpSecret !== null) throw refusal('second_factor_exists');
  return enrolmentOf(context, { ...account, totpPending: null });
}

/** Gives the recovery codes, once. */
export async function confirmSecondFactor(
  context: OwnAccountContext,
  principal: string,
  given: { password: string; code: string },
): Promise<string[]> {
  const account = await confirmed(context, principal, given.password);
  return context.db.transaction().execute(async (transaction) => {
    const codes = await confirm(transaction, account, given.code, context);
    const actor = { ...actorOf(account.principal), rule: 'own' };
    await raiseEpoch(transaction, principal);
    await appendAuditIn(
      transaction,
      changeRecord(actor, 'accounts:second-factor:add', `account:${principal}`, context.surroundings),
    );
    return codes;
  });
}

/** @throws RequestError 409 when it is demanded of this account. */
export async function removeSecondFactor(
  context: OwnAccountContext,
  principal: string,
  password: string,
): Promise<void> {
  const account = await confirmed(context, principal, password);
  const { role, tenant } = account.principal;
  if (needsSecondFactor(role, context.tenants[tenant])) throw refusal('second_factor_demanded', { role });
  await context.db.transaction().execute(async (transaction) => {
    await removeTotp(transaction, principal);
    await raiseEpoch(transaction, principal);
    const actor = { ...actorOf(account.principal), rule: 'own' };
    await appendAuditIn(
      transaction,
      changeRecord(actor, 'accounts:second-factor:remove', `account:${principal}`, context.surroundings),
    );
  });
}
