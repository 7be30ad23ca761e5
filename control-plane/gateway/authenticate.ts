import type { PrincipalEntry } from '../../contracts/principal.ts';
import type { RequestError } from '../../foundation/errors.ts';
import { type SessionClaims, verifySession } from '../../contracts/session.ts';
import { hashApiKey } from '../identity/api-key.ts';
import type { BasicCredential, BasicVerifier } from './basic.ts';
import type { Credential } from './credentials.ts';
import { type MessageCode, refusal } from './messages.ts';
import type { KnownKey, Policies } from './policies.ts';
import type { SignatureVerifier, SignedTarget } from './signatures.ts';
import { principalOf, type TokenVerifier, type VerifiedToken } from './tokens.ts';

export interface Authenticated {
  principal: PrincipalEntry;
  /** Of the API key that it rests on; undefined for accounts and other issuers' tokens. */
  key: KnownKey | undefined;
  via: 'key' | 'session' | 'token' | 'basic' | 'signature';
  /** How the person was authenticated (RFC 8176). */
  amr: readonly string[];
  /** Whether it would still be believed: what is open ends when it would not. */
  holds: (policies: Policies, now: Date) => boolean;
}

/** What credentials are checked with besides the snapshot. */
export interface Verifiers {
  tokens: TokenVerifier;
  basic: BasicVerifier;
  signatures: SignatureVerifier;
}

export interface AuthenticationContext {
  policies: Policies;
  now: Date;
  verifiers: Verifiers;
  /** The request, for signatures. */
  target: SignedTarget;
  clientAddress: string;
  /** Counts an attempt to guess a password. @throws RequestError 429 */
  countAttempt: () => void;
}

function unauthorized(code: MessageCode, details: Record<string, unknown> = {}): RequestError {
  const challenge = 'Bearer realm="imageplane"';
  return refusal(code, details, {
    'www-authenticate': code === 'credentials_missing' ? challenge : `${challenge}, error="invalid_token"`,
  });
}

/**
 * The key's entry by the SHA-256 of the whole of what was sent, so that nothing but the whole key ever matches, and
 * a wrong key takes the same steps as a right one.
 */
export function lookUpKey(key: string, policies: Policies, now: Date): KnownKey {
  const known = policies.keysByHash.get(hashApiKey(key));
  if (known === undefined || !isActive(known.principal, now)) throw unauthorized('key_unknown');
  if (known.expiresAt <= now.getTime())
    throw unauthorized('key_expired', { expiresAt: new Date(known.expiresAt).toISOString() });
  return known;
}

function isActive({ expiresAt }: PrincipalEntry, now: Date): boolean {
  return expiresAt === undefined || Date.parse(expiresAt) > now.getTime();
}

function keyHolds({ id }: KnownKey, policies: Policies, now: Date): boolean {
  const key = policies.keysById.get(id);
  return key !== undefined && key.expiresAt > now.getTime() && isActive(key.principal, now);
}

function ofKey(key: KnownKey, via: Authenticated['via']): Authenticated {
  const holds = (policies: Policies, now: Date): boolean => keyHolds(key, policies, now);
  return { principal: key.principal, key, via, amr: ['key'], holds };
}

/** Who makes the request. @throws RequestError 400, 401, 429 or 503 */
export async function authenticate(
  credential: Credential,
  context: AuthenticationContext,
): Promise<Authenticated> {
  const { policies, now, verifiers } = context;
  switch (credential.kind) {
    case 'none':
      throw unauthorized('credentials_missing');
    case 'unsupported':
      throw unauthorized('credentials_unsupported');
    case 'key':
      return ofKey(lookUpKey(credential.key, policies, now), 'key');
    case 'session':
      return bySession(credential.token, context);
    case 'signature': {
      const key = await verifiers.signatures.verify(credential.signed, context.target, policies, now);
      if (!keyHolds(key, policies, now)) throw unauthorized('key_unknown');
      return ofKey(key, 'signature');
    }
    case 'token':
      return byToken(credential.token, context);
    case 'basic':
      return byBasic(credential, context);
  }
}

/**
 * A session lives until its principal's epoch is raised, it is ended itself, or the key that it rests on is withdrawn.
 * One of a higher epoch is newer than the snapshot.
 */
function sessionHolder(
  { sub, sid, epoch, exp, key: keyId }: SessionClaims,
  policies: Policies,
  now: Date,
): Pick<Authenticated, 'principal' | 'key'> | undefined {
  const principal = policies.principals.get(sub);
  if (principal === undefined || principal.epoch > epoch || !isActive(principal, now)) return undefined;
  if (policies.revoked.has(sid) || exp * 1000 <= now.getTime()) return undefined;
  if (keyId === undefined) return { principal, key: undefined };
  const key = policies.keysById.get(keyId);
  return key?.principal.id === sub && keyHolds(key, policies, now) ? { principal, key } : undefined;
}

async function bySession(token: string, { policies, now }: AuthenticationContext): Promise<Authenticated> {
  const claims = await verifySession(token, policies.apiKeys, now);
  const holder = claims === undefined ? undefined : sessionHolder(claims, policies, now);
  if (claims === undefined || holder === undefined) throw unauthorized('session_invalid');
  return {
    ...holder,
    via: 'session',
    amr: claims.amr,
    holds: (current, at) => sessionHolder(claims, current, at) !== undefined,
  };
}

/** Whether the API has made this session since the snapshot, which may not know its principal or key yet. */
export async function isNewerSession(token: string, policies: Policies, now: Date): Promise<boolean> {
  const claims = await verifySession(token, policies.apiKeys, now);
  // Whole seconds there, and the clocks of two machines.
  return claims !== undefined && claims.iat * 1000 > policies.issuedAt - 5_000;
}

async function byToken(token: string, context: AuthenticationContext): Promise<Authenticated> {
  const { policies, now, verifiers } = context;
  const verified = await verifiers.tokens.verify(token, policies, now);
  if (verified === 'away') throw refusal('issuer_unavailable', { retryAfter: 5 });
  if (verified === 'invalid') throw unauthorized('token_invalid');
  return verified.kind === 'own' ? byOwnToken(verified, context) : byIssuer(verified, context);
}

/** A token of ours lives as long as the key that it was given for, and no longer than the principal's epoch. */
function byOwnToken(
  { claims }: Extract<VerifiedToken, { kind: 'own' }>,
  { policies, now }: AuthenticationContext,
): Authenticated {
  const holds = (current: Policies, at: Date): boolean => {
    const key = current.keysById.get(claims.client_id);
    return (
      key?.principal.id === claims.sub &&
      // One of a higher epoch is newer than the snapshot.
      key.principal.epoch <= claims.epoch &&
      keyHolds(key, current, at) &&
      claims.exp * 1000 > at.getTime() &&
      !current.revoked.has(claims.sid)
    );
  };
  const key = policies.keysById.get(claims.client_id);
  if (key === undefined || !holds(policies, now)) throw unauthorized('token_invalid');
  return { principal: key.principal, key, via: 'token', amr: ['key'], holds };
}

function byIssuer(
  verified: Extract<VerifiedToken, { kind: 'issuer' }>,
  { policies, now }: AuthenticationContext,
): Authenticated {
  const principal = principalOf(verified, policies);
  if (principal === undefined) throw refusal('token_without_role');
  const holds = (current: Policies, at: Date): boolean => {
    const still = principalOf(verified, current);
    return (
      typeof still === 'object' &&
      isActive(still, at) &&
      verified.person.expiresAt > at.getTime() &&
      current.issuers.some(({ issuer }) => issuer === verified.issuer.issuer)
    );
  };
  if (principal === 'gone' || !holds(policies, now)) throw unauthorized('token_invalid');
  return { principal, key: undefined, via: 'token', amr: ['fed'], holds };
}

function basicRefusal(): RequestError {
  return refusal('basic_invalid', {}, { 'www-authenticate': 'Basic realm="imageplane", charset="UTF-8"' });
}

async function byBasic(
  credential: BasicCredential,
  { policies, now, verifiers, clientAddress, countAttempt }: AuthenticationContext,
): Promise<Authenticated> {
  const { tenant } = credential;
  if (policies.tenants.get(tenant)?.basic !== true) throw basicRefusal();
  const holderOf = (current: Policies, account: { principal: string; epoch: number }, at: Date) => {
    const found = current.principals.get(account.principal);
    if (found?.tenant !== tenant || found.epoch > account.epoch || !isActive(found, at)) return undefined;
    return found;
  };
  const remembered = verifiers.basic.remembered(credential);
  let principal = remembered === undefined ? undefined : holderOf(policies, remembered, now);
  let account = remembered;
  if (principal === undefined) {
    countAttempt();
    const answer = await verifiers.basic.ask(credential, clientAddress);
    if (answer === 'away') throw refusal('accounts_unavailable', { retryAfter: 5 });
    if (answer === 'refused') throw basicRefusal();
    account = answer;
    principal = holderOf(policies, answer, now);
  }
  const proven = account;
  if (principal === undefined || proven === undefined) throw basicRefusal();
  return {
    principal,
    key: undefined,
    via: 'basic',
    amr: ['pwd'],
    holds: (current, at) =>
      current.tenants.get(tenant)?.basic === true && holderOf(current, proven, at) !== undefined,
  };
}
