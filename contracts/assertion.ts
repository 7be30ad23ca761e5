import { type CryptoKey, errors, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
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
  principal,
});
export type AssertionClaims = z.infer<typeof assertionClaims>;

export const API_AUDIENCE = 'imageplane-api';
export const ASSERTION_TTL_SECONDS = 60;

type AssertionInput = Pick<AssertionClaims, 'aud' | 'jti' | 'htm' | 'htu' | 'principal'>;

export async function signAssertion(
  input: AssertionInput,
  key: { kid: string; privateKey: CryptoKey },
  now: Date,
): Promise<string> {
  const iat = Math.floor(now.getTime() / 1000);
  const { htm, htu } = input;
  const { id, tenant, kind, name, department, role } = input.principal;
  return new SignJWT({ htm, htu, principal: { id, tenant, kind, name, department, role } })
    .setProtectedHeader({ alg: 'EdDSA', kid: key.kid, typ: 'imageplane-assertion+jwt' })
    .setIssuer('imageplane-gateway')
    .setAudience(input.aud)
    .setJti(input.jti)
    .setIssuedAt(iat)
    .setExpirationTime(iat + ASSERTION_TTL_SECONDS)
    .sign(key.privateKey);
}

export type AssertionRefusal = 'missing' | 'invalid' | 'expired' | 'wrong_audience' | 'wrong_request';

/** Checks signature, time, audience, method and target. Replay is the caller's to check, by `jti` until `exp`. */
export async function verifyAssertion(
  token: string | undefined,
  expected: { audience: string; method: string; target: string },
  keys: JWTVerifyGetKey,
  now: Date,
): Promise<{ ok: true; claims: AssertionClaims } | { ok: false; reason: AssertionRefusal }> {
  if (token === undefined || token === '') return { ok: false, reason: 'missing' };
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ['EdDSA'],
      issuer: 'imageplane-gateway',
      audience: expected.audience,
      typ: 'imageplane-assertion+jwt',
      requiredClaims: ['jti', 'iat', 'exp', 'htm', 'htu', 'principal'],
      maxTokenAge: ASSERTION_TTL_SECONDS,
      clockTolerance: 5,
      currentDate: now,
    });
    const claims = assertionClaims.safeParse(payload);
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
