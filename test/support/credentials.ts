import { randomBytes } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from 'jose';
import { signAccessToken } from '../../contracts/access-token.ts';
import { type SnapshotInput, snapshot as schema } from '../../contracts/snapshot.ts';
import { authenticate, type Verifiers } from '../../control-plane/gateway/authenticate.ts';
import { type BasicPrincipal, createBasicVerifier } from '../../control-plane/gateway/basic.ts';
import { credentialOf } from '../../control-plane/gateway/credentials.ts';
import { compilePolicies, type Policies } from '../../control-plane/gateway/policies.ts';
import { createSignatureVerifier, type SignedTarget } from '../../control-plane/gateway/signatures.ts';
import { createTokenVerifier } from '../../control-plane/gateway/tokens.ts';
import { generateApiKey } from '../../control-plane/identity/api-key.ts';
import { createMemoryNonces } from '../../control-plane/identity/signing/nonces.ts';
import { createWrapper } from '../../control-plane/identity/signing/wrap.ts';
import { RequestError } from '../../foundation/errors.ts';

/** A snapshot with one person, her keys and one issuer, and what a gateway says to credentials by it. */
export const ada = {
  id: 'ada',
  tenant: 'acme',
  kind: 'user' as const,
  name: 'Ada',
  department: '',
  role: 'developer' as const,
};
export const good = generateApiKey(randomBytes);
export const expired = generateApiKey(randomBytes);
export const orphan = generateApiKey(randomBytes);
export const now = new Date('2026-01-02T00:00:00Z');
export const seconds = now.getTime() / 1000;
const wrapper = createWrapper(randomBytes(32).toString('base64url'), 'signing-secret', randomBytes);
export const SECRET = 'ips_of_ada';
export const issuer = {
  issuer: 'https://issuer.example',
  jwksUri: 'https://issuer.example/jwks',
  audience: 'imageplane',
  algorithms: ['RS256' as const],
  tenant: 'acme',
  claims: { id: 'sub', name: 'name', department: 'department', groups: 'groups' },
  roles: { designers: 'editor' as const, boss: 'tenant-admin' as const },
};
export const tenant = (basic: boolean): SnapshotInput['tenants'][string] => ({
  plan: 'free',
  limits: { requestsPerMinute: 1, requestsPerDay: 0, requestsPerMonth: 0 },
  access: { allowedCidrs: [], unlimitedCidrs: [], basic },
});

const pair = await generateKeyPair('EdDSA', { extractable: true });
export const own: { kid: string; privateKey: CryptoKey } = { kid: 'k', privateKey: pair.privateKey };
const remote = await generateKeyPair('RS256', { extractable: true });
export const theirs: CryptoKey = remote.privateKey;
// Without `alg`, as many issuers publish theirs.
const published: JWK = { ...(await exportJWK(remote.publicKey)), kid: 'r' };
/** What the issuer's key set answers. */
export const jwks = { answer: (): Response => Response.json({ keys: [published] }) };
export const base: SnapshotInput = {
  version: '1',
  issuedAt: now.toISOString(),
  tenants: { acme: tenant(true), plain: tenant(false) },
  services: {},
  principals: { ada: { ...ada, epoch: 1 } },
  keys: {
    [good.hash]: { id: good.id, principal: 'ada', signingSecret: wrapper.wrap(SECRET, good.id) },
    [expired.hash]: {
      id: expired.id,
      principal: 'ada',
      expiresAt: '2026-01-01T00:00:00Z',
      signingSecret: wrapper.wrap(SECRET, expired.id),
    },
    [orphan.hash]: { id: orphan.id, principal: 'nobody' },
  },
  sessions: {
    keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'EdDSA' }],
    revoked: ['ended'],
  },
  issuers: [issuer],
};

export const compiled = (changes: Partial<SnapshotInput>): Policies =>
  compilePolicies(schema.parse({ ...base, ...changes }));

interface Setting {
  at?: Date;
  against?: Policies;
  verifiers?: Verifiers;
  target?: Partial<SignedTarget>;
}

/** What passwords are right, as the API would say; and how often it was asked. */
export function makeVerifiers(answer: () => Promise<BasicPrincipal | 'refused'>, clock = () => 0): Verifiers {
  return {
    tokens: createTokenVerifier({
      maxEntries: 10,
      ttlMs: 60_000,
      fetch: () => Promise.resolve(jwks.answer()),
    }),
    basic: createBasicVerifier({
      verify: answer,
      secret: randomBytes(32),
      maxEntries: 2,
      ttlMs: 60_000,
      awayMs: 900_000,
      nowMs: clock,
    }),
    signatures: createSignatureVerifier({
      wrapper,
      nonces: createMemoryNonces({ maxEntries: 100, now: () => new Date(now.getTime() - 1_000_000) }),
      dummySecret: SECRET.replace(/./g, 'x'),
    }),
  };
}
export const policies: Policies = compiled({});
export const refusing = (): Verifiers => makeVerifiers(() => Promise.resolve('refused'));

/** `PRINCIPAL by WAY`, or the code of the refusal. */
export async function outcome(headers: string[], setting: Setting = {}): Promise<string> {
  try {
    const { principal, via } = await authenticate(credentialOf(headers, true), {
      policies: setting.against ?? policies,
      now: setting.at ?? now,
      verifiers: setting.verifiers ?? refusing(),
      target: {
        method: 'GET',
        path: '/s/acme/cutout/',
        query: '',
        toService: true,
        body: () => Promise.resolve(undefined),
        ...setting.target,
      },
      clientAddress: '192.0.2.1',
      countAttempt: () => undefined,
    });
    return `${principal.id} by ${via}`;
  } catch (error) {
    if (error instanceof RequestError) return error.code;
    throw error;
  }
}
export const bearer = (text: string): string[] => ['Authorization', `Bearer ${text}`];
export const session = (token: string): string[] => ['Cookie', `imageplane_session=${token}`];
export const later = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000);

export const accessToken = (changes: Partial<Parameters<typeof signAccessToken>[0]> = {}): Promise<string> =>
  signAccessToken(
    {
      sub: 'ada',
      sid: 'f1',
      jti: 'j1',
      client_id: good.id,
      epoch: 1,
      iat: seconds,
      exp: seconds + 900,
      ...changes,
    },
    own,
  );
