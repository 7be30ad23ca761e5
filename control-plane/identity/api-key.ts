import { createHash } from 'node:crypto';

/**
 * `ipk_` + 12 characters that name the key (shown in lists, not secret) + `_` + 256 random bits in base64url. The
 * parts have fixed lengths, since base64url has `_` in its alphabet. The prefix lets scanners find leaked keys.
 */
const WHOLE_KEY = /^ipk_([a-z0-9]{12})_[A-Za-z0-9_-]{43}$/;
/** Also a key that was cut off or glued to something: most of a secret is one too. */
const KEY_INSIDE = /ipk_[a-z0-9]{12}_[A-Za-z0-9_-]{8}/i;
/** 32 characters, so that the low five bits of a random byte choose evenly; none that is mistaken for another. */
const ID_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';

export interface NewApiKey {
  id: string;
  /** The whole key: shown once, kept nowhere. */
  key: string;
  /** What is kept. */
  hash: string;
}

export function generateApiKey(randomBytes: (size: number) => Uint8Array): NewApiKey {
  const id = Array.from(randomBytes(12), (byte) => ID_ALPHABET.charAt(byte & 31)).join('');
  const key = `ipk_${id}_${Buffer.from(randomBytes(32)).toString('base64url')}`;
  return { id, key, hash: hashApiKey(key) };
}

/**
 * SHA-256 of the whole key, in hexadecimal. A slow hash would add nothing to 256 random bits, and a lookup by it
 * leaks nothing through its timing, since nobody can steer the digest of a guess.
 */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** The id of something that has the form of a key; whether it is one, only its hash tells. */
export function parseApiKey(text: string): { id: string } | undefined {
  const id = WHOLE_KEY.exec(text)?.[1];
  return id === undefined ? undefined : { id };
}

/** Whether a text, such as a URL, gives a key or most of one away, percent-encoded or not. */
export function containsApiKey(text: string): boolean {
  if (KEY_INSIDE.test(text)) return true;
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return KEY_INSIDE.test(decoded);
}
