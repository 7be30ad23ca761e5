import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Secrets that must be had back (for HMAC, for TOTP) are stored wrapped: the database alone does not give them. */
export interface Wrapper {
  /** `owner` names whose it is: a wrapped secret put at another's place does not open. */
  wrap(secret: string, owner: string): string;
  /** Undefined when it was not wrapped with this key for this owner. */
  unwrap(wrapped: string, owner: string): string | undefined;
}

/**
 * AES-256-GCM with a fresh 96-bit nonce for each secret; the key is derived from the master key for one purpose
 * (HKDF-SHA-256, RFC 5869), so that what is wrapped for one never opens as another.
 * @param masterKey 32 random bytes in base64url, the file that API and gateway share.
 * @throws Error when the master key has another length.
 */
export function createWrapper(
  masterKey: string,
  purpose: 'signing-secret' | 'totp-secret' | 'sign-in',
  randomBytes: (size: number) => Uint8Array,
): Wrapper {
  const master = Buffer.from(masterKey, 'base64url');
  if (master.length !== KEY_BYTES) throw new Error('the key for secrets must be 32 bytes in base64url');
  const key = Buffer.from(hkdfSync('sha256', master, '', `imageplane:${purpose}`, KEY_BYTES));
  return {
    wrap(secret, owner) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(owner));
      const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `v1.${Buffer.from(iv).toString('base64url')}.${sealed.toString('base64url')}`;
    },
    unwrap(wrapped, owner) {
      const [version, iv = '', text = ''] = wrapped.split('.');
      const sealed = Buffer.from(text, 'base64url');
      const nonce = Buffer.from(iv, 'base64url');
      if (version !== 'v1' || nonce.length !== IV_BYTES || sealed.length < TAG_BYTES) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(owner))
        .setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        return decipher.update(sealed.subarray(0, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
      } catch {
        return undefined;
      }
    },
  };
}
