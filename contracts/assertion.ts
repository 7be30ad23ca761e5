import { KeyObject, sign as signEd25519 } from 'node:crypto';
import { type CryptoKey, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { principal } from './principal.ts';

/**
 * The gateway's word for one request, a JWT signed with EdDSA and sent in `header.assertion`. It is bound to the
 * audience, method and target, so that it opens nothing else, and its id is the request's, so that it opens it once.
 */
export const assertionClaims = z.strictObject({
  iss: z.literal('imageplane-gateway'),
  /** `{tenant}/{service}`, or `imageplane-api`. */
  aud: z.string().min(1),
  jti: z.uuid({ version: 'v7' }),
  iat: z.int(),
  exp: z.int(),
  htm: z.string().min(1),
  /** Path and query as the receiver sees them. */
  htu: z.string().startsWith('/'),
  principal: principal.extend({
    /** Actions that the key of the request is limited to; absent: no limit. */
    actions: z.array(z.string()).max(100).optional(),
  }),
  /** For the API, which decides itself what may be done there. */
  circumstances: z
    .strictObject({
      /** The client's. */
      address: z.string(),
      secondFactor: z.boolean(),
      /** Of the API key that the request rests on; `createdAt` is missing when nobody knows. */
      key: z.strictObject({ createdAt: z.iso.datetime().optional() }).optional(),
    })
    .optional(),
});
export type AssertionClaims = z.infer<typeof assertionClaims>;

export const API_AUDIENCE = 'imageplane-api';
/** Of what is forwarded to `/auth/…`, where nobody is signed in yet. */
export const AUTH_AUDIENCE = 'imageplane-auth';
export const ASSERTION_TTL_SECONDS = 60;

/** The gateway's word for a request to `/auth/…`: not who makes it, but from where and to which address. */
export const authAssertionClaims = z.strictObject({
  iss: z.literal('imageplane-gateway'),
  aud: z.literal(AUTH_AUDIENCE),
  jti: z.uuid({ version: 'v7' }),
  iat: z.int(),
  exp: z.int(),
  htm: z.string().min(1),
  htu: z.string().startsWith('/'),
  client: z.strictObject({
    address: z.string().min(1),
    /** Whether the client's own connection is encrypted. */
    secure: z.boolean(),
    /** Scheme and host under which the client knows the product; the gateway answers for no other host. */
    origin: z.url(),
    language: z.enum(['en', 'zh']),
  }),
});
export type AuthAssertionClaims = z.infer<typeof authAssertionClaims>;

type AssertionInput = Pick<AssertionClaims, 'aud' | 'jti' | 'htm' | 'htu' | 'principal' | 'circumstances'>;

const TYP = 'imageplane-assertion+jwt';
const ISSUER = 'imageplane-gateway';

interface SigningKey {
  kid: string;
  privateKey: KeyObject | CryptoKey;
}

export function signAssertion(input: AssertionInput, key: SigningKey, now: Date): string {
  const { id, tenant, kind, name, department, role, actions } = input.principal;
  const person = { id, tenant, kind, name, department, role };
  const { circumstances } = input;
  const subject = {
    principal: actions === undefined ? person : { ...person, actions },
    ...(circumstances === undefined ? {} : { circumstances }),
  };
  return sign(input, subject, key, now);
}

export function signAuthAssertion(
  input: Pick<AuthAssertionClaims, 'jti' | 'htm' | 'htu' | 'client'>,
  key: SigningKey,
  now: Date,
): string {
  return sign({ ...input, aud: AUTH_AUDIENCE }, { client: input.client }, key, now);
}

function sign(
  { aud, jti, htm, htu }: Pick<AssertionClaims, 'aud' | 'jti' | 'htm' | 'htu'>,
  subject: Record<string, unknown>,
  key: SigningKey,
  now: Date,
): string {
  const iat = Math.floor(now.getTime() / 1000);
  const times = { iat, exp: iat + ASSERTION_TTL_SECONDS };
  // RFC 7515, compact. By hand: one for each request of the gateway, and half of what a library takes.
  const signed = [
    { alg: 'EdDSA', kid: key.kid, typ: TYP },
    { htm, htu, ...subject, iss: ISSUER, aud, jti, ...times },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = signEd25519(null, Buffer.from(signed), keyObjectOf(key.privateKey));
  return `${signed}.${signature.toString('base64url')}`;
}

const keyObjectOf = (key: KeyObject | CryptoKey): KeyObject =>
  key instanceof KeyObject ? key : KeyObject.from(key);

export type AssertionRefusal = 'missing' | 'invalid' | 'expired' | 'wrong_audience' | 'wrong_request';
type Verified<C> = { ok: true; claims: C } | { ok: false; reason: AssertionRefusal };

/** Checks signature, time, audience, method and target. Replay is the caller's to check, by `jti` until `exp`. */
export async function verifyAssertion(
  token: string | undefined,
  expected: { audience: string; method: string; target: string },
  keys: JWTVerifyGetKey,
  now: Date,
): Promise<Verified<AssertionClaims>> {
  return verify(token, expected, assertionClaims, keys, now);
}

/** The same for `/auth/…`. */
export async function verifyAuthAssertion(
  token: string | undefined,
  expected: { method: string; target: string },
  keys: JWTVerifyGetKey,
  now: Date,
): Promise<Verified<AuthAssertionClaims>> {
  return verify(token, { ...expected, audience: AUTH_AUDIENCE }, authAssertionClaims, keys, now);
}

async function verify<C extends { htm: string; htu: string }>(
  token: string | undefined,
  expected: { audience: string; method: string; target: string },
  schema: z.ZodType<C>,
  keys: JWTVerifyGetKey,
  now: Date,
): Promise<Verified<C>> {
  if (token === undefined || token === '') return { ok: false, reason: 'missing' };
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ['EdDSA'],
      issuer: ISSUER,
      audience: expected.audience,
      typ: TYP,
      requiredClaims: ['jti', 'iat', 'exp', 'htm', 'htu'],
      maxTokenAge: ASSERTION_TTL_SECONDS,
      clockTolerance: 5,
      currentDate: now,
    });
    const claims = schema.safeParse(payload);
    if (!claims.success) return { ok: false, reason: 'invalid' };
    if (claims.data.htm !== expected.method || claims.data.htu !== expected.target)
      return { ok: false, reason: 'wrong_request' };
    return { ok: true, claims: claims.data };
  } catch (error) {
    if (error instanceof errors.JWTExpired) return { ok: false, reason: 'expired' };
    if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
      return { ok: false, reason: 'wrong_audience' };
    if (error instanceof errors.JOSEError) return { ok: false, reason: 'invalid' };
    throw error;
  }
}
