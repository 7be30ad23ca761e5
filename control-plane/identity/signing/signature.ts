import { createHmac, timingSafeEqual } from 'node:crypto';

/** First line of what is signed, so that no signature of another protocol or version passes for one of this. */
const VERSION = 'IMGW1-HMAC-SHA256';

/** SHA-256 of nothing: the body hash of a request without a body. */
export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** What a signature is checked against. Everything that the client has said, nothing that is only derived from it. */
export type SignedRequest =
  | {
      form: 'native';
      keyId: string;
      /** base64url. */
      signature: string;
      /** Seconds since 1970, in digits. */
      timestamp: string;
      nonce: string;
      /** SHA-256 of the body, in lower-case hexadecimal. */
      bodySha256: string;
    }
  | {
      form: 'simple';
      keyId: string;
      /** Lower-case hexadecimal. */
      signature: string;
      timestamp: string;
    };

export interface SignedHeaders {
  authorization: string;
  timestamp: string | undefined;
  nonce: string | undefined;
  bodySha256: string | undefined;
}

const NATIVE = /^HMAC-SHA256 +Credential=(ipk_[a-z0-9]{12}), *Signature=([A-Za-z0-9_-]{43})$/;
const SIMPLE = /^Bearer +(ipk_[a-z0-9]{12}):([0-9a-f]{64})$/i;
/** Ten digits, until the year 2286: in `timestamp + body` it is then always clear where the one ends. */
const TIMESTAMP = /^[1-9]\d{9}$/;
/** 96 bits at least, in base64url. */
const NONCE = /^[A-Za-z0-9_-]{16,128}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** Whether an `Authorization` header claims to be a signature. */
export function isSignature(authorization: string): boolean {
  return /^HMAC-SHA256\b/.test(authorization) || /^Bearer +[^\s:]+:/i.test(authorization);
}

/** Undefined when the form is wrong or one of the headers that it needs is missing. */
export function parseSigned(headers: SignedHeaders): SignedRequest | undefined {
  const { authorization, timestamp = '', nonce = '', bodySha256 = '' } = headers;
  if (!TIMESTAMP.test(timestamp)) return undefined;
  const native = NATIVE.exec(authorization);
  if (native?.[1] !== undefined && native[2] !== undefined) {
    if (!NONCE.test(nonce) || !SHA256.test(bodySha256)) return undefined;
    return { form: 'native', keyId: native[1], signature: native[2], timestamp, nonce, bodySha256 };
  }
  const simple = SIMPLE.exec(authorization);
  if (simple?.[1] === undefined || simple[2] === undefined) return undefined;
  return { form: 'simple', keyId: simple[1], signature: simple[2].toLowerCase(), timestamp };
}

/**
 * The text that the native form signs: method, path and query byte for byte as sent, since a reordered query is not
 * the same query everywhere.
 */
export function stringToSign(
  request: { method: string; path: string; query: string },
  { timestamp, nonce, bodySha256 }: { timestamp: string; nonce: string; bodySha256: string },
): string {
  const { method, path, query } = request;
  return [VERSION, timestamp, nonce, method, path, query.replace(/^\?/, ''), bodySha256].join('\n');
}

/** Compares in a time that depends on neither. `given` may have any length. */
function macMatches(given: Buffer, expected: Buffer): boolean {
  const hash = (value: Buffer): Buffer => createHmac('sha256', 'imageplane').update(value).digest();
  return timingSafeEqual(hash(given), hash(expected));
}

export function nativeMatches(
  signed: Extract<SignedRequest, { form: 'native' }>,
  request: { method: string; path: string; query: string },
  secret: string,
): boolean {
  const expected = createHmac('sha256', secret).update(stringToSign(request, signed)).digest();
  return macMatches(Buffer.from(signed.signature, 'base64url'), expected);
}

/** @param body in pieces, since it may be larger than what one wants in memory. */
export async function simpleMatches(
  signed: Extract<SignedRequest, { form: 'simple' }>,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  secret: string,
): Promise<boolean> {
  const mac = createHmac('sha256', secret).update(signed.timestamp);
  for await (const chunk of body) mac.update(chunk);
  return macMatches(Buffer.from(signed.signature, 'hex'), mac.digest());
}

/** What must not be seen twice: for the simple form, that has no nonce, its signature. */
export function replayKey(signed: SignedRequest): string {
  return signed.form === 'native' ? `${signed.keyId}:${signed.nonce}` : `${signed.keyId}:${signed.signature}`;
}

/** A signature is good for five minutes; a clock may be a minute ahead. */
export const MAX_AGE_SECONDS = 300;
export const MAX_AHEAD_SECONDS = 60;

export function isTimely(timestamp: string, now: Date): boolean {
  const age = now.getTime() / 1000 - Number(timestamp);
  return age <= MAX_AGE_SECONDS && age >= -MAX_AHEAD_SECONDS;
}
