import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { z } from 'zod';
import { hasCode, UsageError } from '../foundation/errors.ts';
import { type Layout, secretPath } from './layout.ts';

/** Paths of files, all of them 0600. Secrets themselves are read only where one is needed. */
export interface Secrets {
  assertionKey: string;
  assertionJwks: string;
  snapshotKey: string;
  snapshotPublicKey: string;
  internalToken: string;
  /** What browser sessions are signed with, and what providers entrust to us is sealed with. */
  sessionKey: string;
  sessionSealKey: string;
  /** What secrets of second factors and signed requests are wrapped with: the API's and the gateway's. */
  secretsKey: string;
  /** SHA-256 of each service's usage token. */
  intakeTokens: string;
  usageToken: (service: string) => string;
  superuserPassword: string;
  ownerPassword: string;
  gatewayPassword: string;
}

/**
 * Makes at the first start what is missing, and leaves what is there. `services`: `{tenant}/{service}` of those that
 * send usage events.
 */
export async function prepareSecrets(layout: Layout, services: readonly string[]): Promise<Secrets> {
  const at = (name: string): string => secretPath(layout, name);
  const secrets: Secrets = {
    assertionKey: at('assertion.private.jwk.json'),
    assertionJwks: at('assertion.jwks.json'),
    snapshotKey: at('snapshot.private.jwk.json'),
    snapshotPublicKey: at('snapshot.public.jwk.json'),
    internalToken: at('internal.token'),
    sessionKey: at('session.private.jwk.json'),
    sessionSealKey: at('session.seal.key'),
    secretsKey: at('secrets.key'),
    intakeTokens: at('usage-tokens.json'),
    usageToken: (service) => at(`usage.${service.replace('/', '.')}.token`),
    superuserPassword: at('postgres.password'),
    ownerPassword: at('owner.password'),
    gatewayPassword: at('gateway.password'),
  };
  await mkdir(layout.secrets, { recursive: true, mode: 0o700 });
  await chmod(layout.secrets, 0o700);
  const assertion = await ensureKey(secrets.assertionKey);
  await writePrivate(secrets.assertionJwks, JSON.stringify({ keys: [assertion] }));
  await writePrivate(secrets.snapshotPublicKey, JSON.stringify(await ensureKey(secrets.snapshotKey)));
  await ensureKey(secrets.sessionKey);
  const tokens = [
    secrets.internalToken,
    secrets.sessionSealKey,
    secrets.secretsKey,
    secrets.superuserPassword,
    secrets.ownerPassword,
    secrets.gatewayPassword,
  ];
  for (const path of tokens) await ensureToken(path);
  const hashes: Record<string, string> = {};
  for (const service of services) {
    const token = await ensureToken(secrets.usageToken(service));
    hashes[service] = createHash('sha256').update(token).digest('hex');
  }
  await writePrivate(secrets.intakeTokens, JSON.stringify(hashes));
  return secrets;
}

/** 256 random bits, in characters that need no quoting. */
async function ensureToken(path: string): Promise<string> {
  const existing = (await readIfThere(path))?.trim();
  if (existing !== undefined && existing !== '') return existing;
  const token = randomBytes(32).toString('base64url');
  await writePrivate(path, `${token}\n`);
  return token;
}

const ed25519 = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  kid: z.string().min(1),
  d: z.string().min(1),
  x: z.string().min(1),
});

/** @returns the public half. */
async function ensureKey(path: string): Promise<JWK> {
  const text = await readIfThere(path);
  const { kty, crv, kid, x } = text === undefined ? await makeKey(path) : parseKey(path, text);
  return { kty, crv, kid, x, use: 'sig', alg: 'EdDSA' };
}

function parseKey(path: string, text: string): z.infer<typeof ed25519> {
  try {
    return ed25519.parse(JSON.parse(text));
  } catch {
    throw new UsageError(`${path} is not an Ed25519 key any more. Delete the file to have a new one made.`);
  }
}

async function makeKey(path: string): Promise<z.infer<typeof ed25519>> {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const key = ed25519.parse({ ...jwk, kid: await calculateJwkThumbprint(jwk) });
  await writePrivate(path, JSON.stringify(key));
  return key;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Whole or not at all, 0600. */
export async function writePrivate(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
}
