import { createHash, createHmac, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringToSign } from '../../control-plane/identity/signing/signature.ts';
import { createWrapper } from '../../control-plane/identity/signing/wrap.ts';
import type { World } from '../integration/gateway/setup.ts';

export interface SigningKey {
  /** As it is sent, with its prefix. */
  keyId: string;
  secret: string;
}

/** What the gateway must be started with to know it. */
export interface Signer extends SigningKey {
  config: { secretsKeyFile: string };
}

/** Gives the principal's key a signing secret, from the next snapshot on. */
export async function createSigner(world: World, principal: string): Promise<Signer> {
  const { id, hash } = world.keys[principal] ?? { id: '', hash: '' };
  const secret = `ips_${randomBytes(32).toString('base64url')}`;
  const master = randomBytes(32).toString('base64url');
  const secretsKeyFile = join(dirname(world.config.outbox), 'secrets');
  await writeFile(secretsKeyFile, master, { mode: 0o600 });
  await world.publish(({ keys }) => {
    const signingSecret = createWrapper(master, 'signing-secret', randomBytes).wrap(secret, id);
    Object.assign(keys[hash] ?? {}, { signingSecret });
  });
  return { keyId: `ipk_${id}`, secret, config: { secretsKeyFile } };
}

export interface ToSign {
  method: string;
  path: string;
  query?: string;
  body: string;
  /** Seconds since 1970. */
  at?: number;
}

/** The headers of the native form. */
export function signedHeaders(
  { keyId, secret }: SigningKey,
  { method, path, query = '', body, at }: ToSign,
): Record<string, string> {
  const timestamp = String(at ?? Math.floor(Date.now() / 1000));
  const nonce = randomBytes(12).toString('base64url');
  const bodySha256 = createHash('sha256').update(body).digest('hex');
  const text = stringToSign({ method, path, query }, { timestamp, nonce, bodySha256 });
  const signature = createHmac('sha256', secret).update(text).digest('base64url');
  return {
    authorization: `HMAC-SHA256 Credential=${keyId}, Signature=${signature}`,
    'x-timestamp': timestamp,
    'x-nonce': nonce,
    'x-content-sha256': bodySha256,
  };
}
