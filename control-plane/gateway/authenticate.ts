import type { Principal } from '../../contracts/principal.ts';
import type { RequestError } from '../../foundation/errors.ts';
import { hashApiKey } from '../identity/api-key.ts';
import { sessionCookies } from './cookies.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import { type MessageCode, refusal } from './messages.ts';
import type { KnownKey, Policies } from './policies.ts';
import { type Session, type SigningKey, verifySession } from './session.ts';

export interface Authenticated {
  principal: Principal;
  keyId: string;
  via: 'key' | 'session';
}

export type Credential =
  | { kind: 'none' }
  | { kind: 'key'; key: string }
  | { kind: 'session'; token: string }
  | { kind: 'unsupported' };

/** The one credential of a request. @throws credentials_ambiguous when there are more: which counted would be a guess. */
export function credentialOf(headers: RawHeaders, acceptSession: boolean): Credential {
  const authorizations = valuesOf(headers, 'authorization');
  const keys = valuesOf(headers, 'x-api-key');
  const sessions = acceptSession ? sessionCookies(headers) : [];
  if (authorizations.length + keys.length + sessions.length > 1) throw refusal('credentials_ambiguous');
  const [authorization] = authorizations;
  const [key = bearerToken(authorization)] = keys;
  if (key !== undefined) return { kind: 'key', key };
  if (authorization !== undefined) return { kind: 'unsupported' };
  const [token] = sessions;
  return token === undefined ? { kind: 'none' } : { kind: 'session', token };
}

function bearerToken(authorization: string | undefined): string | undefined {
  return /^Bearer +([^\s,]+)$/i.exec(authorization ?? '')?.[1];
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
  return stillValid(policies.keysByHash.get(hashApiKey(key)), now);
}

function stillValid(known: KnownKey | undefined, now: Date): KnownKey {
  if (known === undefined) throw unauthorized('key_unknown');
  if (known.expiresAt <= now.getTime())
    throw unauthorized('key_expired', { expiresAt: new Date(known.expiresAt).toISOString() });
  return known;
}

/** A session lives as long as its key: revoking the key ends it with the next snapshot. */
export function lookUpSession(session: Session | undefined, policies: Policies, now: Date): KnownKey {
  const known = session === undefined ? undefined : policies.keysById.get(session.keyId);
  if (known === undefined || known.principal.id !== session?.principal || known.expiresAt <= now.getTime())
    throw unauthorized('session_invalid');
  return known;
}

/** Who makes the request. @throws RequestError 400 or 401 */
export async function authenticate(
  credential: Credential,
  policies: Policies,
  signingKey: SigningKey,
  now: Date,
): Promise<Authenticated> {
  switch (credential.kind) {
    case 'none':
      throw unauthorized('credentials_missing');
    case 'unsupported':
      throw unauthorized('credentials_unsupported');
    case 'key': {
      const { id, principal } = lookUpKey(credential.key, policies, now);
      return { principal, keyId: id, via: 'key' };
    }
    case 'session': {
      const session = await verifySession(credential.token, signingKey, now);
      const { id, principal } = lookUpSession(session, policies, now);
      return { principal, keyId: id, via: 'session' };
    }
  }
}
