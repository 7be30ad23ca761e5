import type { Principal, Role } from '../../contracts/principal.ts';
import type { TenantPolicy } from '../../contracts/snapshot.ts';
import { sha256Hex } from '../../foundation/secret.ts';
import { administrators } from '../access/roles.ts';
import { appendAuditIn } from '../audit/record.ts';
import type { Database } from '../database/schema.ts';
import { takeRecoveryCode, takeStep } from '../identity/accounts/factor-store.ts';
import {
  type Account,
  beginAttempt,
  endAttempt,
  findAccountByLogin,
  replaceHash,
} from '../identity/accounts/store.ts';
import { canonicalRecoveryCode, fromBase32, matchingStep } from '../identity/accounts/totp.ts';
import type { IdentityTools } from './identity-tools.ts';
import type { Surroundings } from './keys.ts';

export interface Credentials {
  tenant: string;
  login: string;
  password: string;
  /** Of an authenticator app, or a recovery code. */
  code: string | undefined;
}

export interface SignInContext {
  db: Database;
  tools: IdentityTools;
  surroundings: Surroundings;
  /** What the tenant demands; undefined when there is no such tenant. */
  policy: TenantPolicy | undefined;
  clientIp: string;
  /** HTTP Basic has no place for a second factor, and is repeated every minute. */
  via: 'page' | 'basic';
}

export interface SignedIn {
  principal: Principal;
  epoch: number;
  /** RFC 8176. */
  amr: string[];
}

/** Why not, for the audit: the client is told one sentence for all of them, so that it learns of no account. */
type Refusal =
  'unknown' | 'inactive' | 'waiting' | 'password' | 'code' | 'factor-missing' | 'factor-not-enrolled';

/** A password of an administrator is never enough; a tenant may demand more of the others too. */
export function needsSecondFactor(role: Role, policy: TenantPolicy | undefined): boolean {
  return administrators.has(role) || policy?.access.secondFactor === 'Always';
}

/**
 * Checks name, password and second factor of a local account. Whatever is wrong, the same work is done and the same
 * `undefined` comes back; the audit says what it was.
 * @throws RequestError 503 when too many sign in at once.
 */
export async function signIn(given: Credentials, context: SignInContext): Promise<SignedIn | undefined> {
  const { db, surroundings, tools } = context;
  const now = surroundings.now();
  const account =
    context.policy === undefined ? undefined : await findAccountByLogin(db, given.tenant, given.login);
  const active = account !== undefined && isActive(account, now);
  const attempt = active ? await beginAttempt(db, account.principal.id, now) : undefined;
  const stored = attempt === undefined ? undefined : (account?.password ?? undefined);
  const checked = await tools.hasher.verify(given.password, stored);
  if (account === undefined) return refuse(context, given, undefined, 'unknown');
  if (!active) return refuse(context, given, account, 'inactive');
  if (attempt === undefined) return refuse(context, given, account, 'waiting');
  if (!checked.right) return refuse(context, given, account, 'password', attempt.locked);
  const signedIn = await finish(given, account, context, now);
  if (typeof signedIn === 'string') return refuse(context, given, account, signedIn, attempt.locked);
  if (checked.outdated && stored !== undefined)
    await replaceHash(db, account.principal.id, stored, await tools.hasher.hash(given.password));
  return signedIn;
}

function isActive({ disabledAt, expiresAt }: Account, now: Date): boolean {
  return disabledAt === null && (expiresAt === null || expiresAt > now);
}

/** The second factor, and all that a success writes, in one transaction. */
async function finish(
  given: Credentials,
  account: Account,
  context: SignInContext,
  now: Date,
): Promise<SignedIn | Refusal> {
  const { db, policy, via } = context;
  const { principal, epoch } = account;
  const demanded = needsSecondFactor(principal.role, policy);
  if (account.totpSecret === null && demanded) return 'factor-not-enrolled';
  if (account.totpSecret !== null && (via === 'basic' || given.code === undefined)) return 'factor-missing';
  return db.transaction().execute(async (transaction) => {
    if (
      account.totpSecret !== null &&
      !(await takeCode(transaction, account, given.code ?? '', context, now))
    )
      return 'code';
    await endAttempt(transaction, principal.id, now);
    if (account.breakGlass) await recordBreakGlass(transaction, account, context);
    return { principal, epoch, amr: account.totpSecret === null ? ['pwd'] : ['pwd', 'otp', 'mfa'] };
  });
}

/** Takes a code of the authenticator app or a recovery code; either works once. */
async function takeCode(
  transaction: Database,
  account: Account,
  code: string,
  { tools }: SignInContext,
  now: Date,
): Promise<boolean> {
  const { id } = account.principal;
  const recovery = canonicalRecoveryCode(code);
  if (recovery !== undefined) return takeRecoveryCode(transaction, id, sha256Hex(recovery), now);
  const secret = fromBase32(tools.totp?.unwrap(account.totpSecret ?? '', id) ?? '');
  if (secret === undefined || secret.length === 0) return false;
  const step = matchingStep(secret, code, account.totpStep, now);
  return step !== undefined && takeStep(transaction, id, step);
}

/** The session that follows has its own record; that of the break-glass account raises an alert besides. */
async function recordBreakGlass(
  transaction: Database,
  { principal }: Account,
  { surroundings, clientIp }: SignInContext,
): Promise<void> {
  await appendAuditIn(transaction, {
    id: surroundings.newId(),
    at: surroundings.now().toISOString(),
    tenant: principal.tenant,
    principal: principal.id,
    action: 'alert',
    resource: `account:${principal.id}`,
    allowed: true,
    rule: 'break-glass:used',
    clientIp,
  });
}

async function refuse(
  { db, surroundings, clientIp, policy }: SignInContext,
  given: Credentials,
  account: Account | undefined,
  why: Refusal,
  locked = false,
): Promise<undefined> {
  const common = {
    at: surroundings.now().toISOString(),
    // A tenant that does not exist has no audit.
    tenant: policy === undefined ? '' : given.tenant,
    principal: account?.principal.id ?? '',
    resource: account === undefined ? 'account:' : `account:${account.principal.id}`,
    allowed: false,
    clientIp,
  };
  await appendAuditIn(db, {
    ...common,
    id: surroundings.newId(),
    action: 'sign-in',
    rule: `sign-in:${why}`,
  });
  if (locked)
    await appendAuditIn(db, { ...common, id: surroundings.newId(), action: 'alert', rule: 'account:locked' });
  return undefined;
}
