import { isSignature, parseSigned, type SignedRequest } from '../identity/signing/signature.ts';
import { sessionCookies } from './cookies.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import { refusal } from './messages.ts';

/** What a request shows of who makes it. */
export type Credential =
  | { kind: 'none' }
  | { kind: 'key'; key: string }
  | { kind: 'token'; token: string }
  | { kind: 'basic'; tenant: string; login: string; password: string; whole: string }
  | { kind: 'signature'; signed: SignedRequest }
  | { kind: 'session'; token: string }
  | { kind: 'unsupported' };

/**
 * The one credential of a request. @throws credentials_ambiguous when there are more: which counted would be a guess;
 * signature_malformed when one is a signature and not whole
 */
export function credentialOf(headers: RawHeaders, acceptSession: boolean, secure = false): Credential {
  const authorizations = valuesOf(headers, 'authorization');
  const keys = valuesOf(headers, 'x-api-key');
  const sessions = acceptSession ? sessionCookies(headers, secure) : [];
  if (authorizations.length + keys.length + sessions.length > 1) throw refusal('credentials_ambiguous');
  const [authorization] = authorizations;
  const [key] = keys;
  const [token] = sessions;
  if (key !== undefined) return { kind: 'key', key };
  if (authorization !== undefined) return fromAuthorization(authorization, headers);
  return token === undefined ? { kind: 'none' } : { kind: 'session', token };
}

function fromAuthorization(authorization: string, headers: RawHeaders): Credential {
  if (isSignature(authorization)) {
    const [timestamp, nonce, bodySha256] = ['x-timestamp', 'x-nonce', 'x-content-sha256'].map((name) =>
      only(headers, name),
    );
    const signed = parseSigned({ authorization, timestamp, nonce, bodySha256 });
    if (signed === undefined) throw refusal('signature_malformed');
    return { kind: 'signature', signed };
  }
  const bearer = /^Bearer +([^\s,]+)$/i.exec(authorization)?.[1];
  if (bearer !== undefined)
    return isJwt(bearer) ? { kind: 'token', token: bearer } : { kind: 'key', key: bearer };
  const basic = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  return (basic === undefined ? undefined : parseBasic(basic)) ?? { kind: 'unsupported' };
}

/** Undefined when there is none, or more than one. */
function only(headers: RawHeaders, name: string): string | undefined {
  const values = valuesOf(headers, name);
  return values.length === 1 ? values[0] : undefined;
}

/** Three parts, the first of which begins as JSON in base64url does. No API key has a dot. */
function isJwt(text: string): boolean {
  return /^ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(text);
}

/** `TENANT/LOGIN:PASSWORD` in UTF-8 (RFC 7617). */
function parseBasic(text: string): Extract<Credential, { kind: 'basic' }> | undefined {
  let whole: string;
  try {
    whole = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'base64'));
  } catch {
    return undefined;
  }
  const match = /^([^/:]{1,100})\/([^:]{1,200}):([^]{1,1024})$/.exec(whole);
  if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined) return undefined;
  return { kind: 'basic', tenant: match[1], login: match[2], password: match[3], whole };
}
