import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { z } from 'zod';

/** Steps of a rotation, one at a time, each with time for everyone to hear of it. */
export type AssertionStep = 'keep' | 'publish' | 'sign' | 'retire';

/** Contents of a Secret or ConfigMap: text by key. */
export type Contents = Readonly<Record<string, string>>;

export interface KeyRing {
  /** Secret of the API. */
  api: Contents;
  /** Secret of the gateways. */
  gateway: Contents;
  /** Public keys by which pods and API know what gateways signed. */
  jwks: Contents;
}

/** What makes new keys and tokens; the real one by default. */
export interface Mint {
  key: () => Promise<string>;
  token: () => string;
}

export const file = {
  assertion: 'assertion.private.jwk.json',
  nextAssertion: 'assertion.next.private.jwk.json',
  jwks: 'jwks.json',
  snapshot: 'snapshot.private.jwk.json',
  snapshotPublic: 'snapshot.public.jwk.json',
  session: 'session.private.jwk.json',
  sessionSeal: 'session.seal.key',
  internalToken: 'internal.token',
  secretsKey: 'secrets.key',
} as const;

const privateKey = z.object({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  kid: z.string().min(1),
  d: z.string().min(1),
  x: z.string().min(1),
});
const keySet = z.object({ keys: z.array(z.looseObject({ kid: z.string() })) });

export const mint: Mint = {
  async key() {
    const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
    return JSON.stringify(privateKey.parse({ ...jwk, kid: await calculateJwkThumbprint(jwk) }));
  },
  token: () => randomBytes(32).toString('base64url'),
};

/**
 * What the three should hold: what is there stays, what is missing is made, and the assertion key goes one step on.
 * A step that was taken already changes nothing. `found` may be empty, after an installation was lost in part.
 */
export async function nextKeyRing(found: KeyRing, step: AssertionStep, make: Mint = mint): Promise<KeyRing> {
  const { api, gateway } = found;
  const snapshot = api[file.snapshot] ?? (await make.key());
  const internalToken = api[file.internalToken] ?? gateway[file.internalToken] ?? make.token();
  const secretsKey = api[file.secretsKey] ?? gateway[file.secretsKey] ?? make.token();
  const assertion = await nextAssertion(gateway, step, make);
  return {
    api: {
      [file.snapshot]: snapshot,
      [file.session]: api[file.session] ?? (await make.key()),
      [file.sessionSeal]: api[file.sessionSeal] ?? make.token(),
      [file.internalToken]: internalToken,
      [file.secretsKey]: secretsKey,
    },
    gateway: {
      [file.assertion]: assertion.current,
      ...(assertion.next === undefined ? {} : { [file.nextAssertion]: assertion.next }),
      [file.snapshotPublic]: JSON.stringify(publicHalf(snapshot)),
      [file.internalToken]: internalToken,
      [file.secretsKey]: secretsKey,
    },
    jwks: { [file.jwks]: publicKeys(found.jwks[file.jwks], assertion, step) },
  };
}

interface Assertion {
  current: string;
  next: string | undefined;
}

async function nextAssertion(gateway: Contents, step: AssertionStep, make: Mint): Promise<Assertion> {
  const current = gateway[file.assertion] ?? (await make.key());
  const next = gateway[file.nextAssertion];
  if (step === 'publish') return { current, next: next ?? (await make.key()) };
  if (step === 'sign' && next !== undefined) return { current: next, next: undefined };
  return { current, next };
}

/** Published are the keys in use and to come; those that were, until they are retired. */
function publicKeys(
  published: string | undefined,
  { current, next }: Assertion,
  step: AssertionStep,
): string {
  const wanted = [current, ...(next === undefined ? [] : [next])].map(publicHalf);
  const kids = new Set(wanted.map(({ kid }) => kid));
  const before = published === undefined ? [] : keySet.parse(JSON.parse(published)).keys;
  const kept = step === 'retire' ? [] : before.filter(({ kid }) => !kids.has(kid));
  return JSON.stringify({ keys: [...wanted, ...kept] });
}

function publicHalf(text: string): JWK {
  const { kty, crv, kid, x } = privateKey.parse(JSON.parse(text));
  return { kty, crv, kid, x, use: 'sig', alg: 'EdDSA' };
}

export interface Passwords {
  /** Secret of the trial database. */
  database: Contents;
  /** Secret of the gateways. */
  gateway: Contents;
}

/** Passwords of the trial database; what is there stays. Pure but for the mint. */
export function nextPasswords(found: Passwords, make: Mint = mint): Passwords {
  const gateway = found.database['gateway'] ?? found.gateway['password'] ?? make.token();
  return {
    database: {
      superuser: found.database['superuser'] ?? make.token(),
      owner: found.database['owner'] ?? make.token(),
      gateway,
    },
    gateway: { password: gateway },
  };
}
