import { type CryptoKey, errors, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';

/** A browser's session cookie, as the API signs it and gateways verify it. */
const TYP = 'imageplane-session+jwt';
const ISSUER = 'imageplane-api';
const AUDIENCE = 'imageplane-session';

/** A session ends so long after its last renewal, whatever happens. */
export const SESSION_SECONDS = 8 * 3600;
/** However often it is renewed, it ends so long after the person signed in. */
export const SESSION_LONGEST_SECONDS = 24 * 3600;

export const sessionClaims = z.object({
  /** Id of the principal. */
  sub: z.string().min(1),
  sid: z.string().min(1),
  /** Of the principal when the session was made: one raised since ends it. */
  epoch: z.int().nonnegative(),
  /** How the person was authenticated (RFC 8176, besides `key` and `fed`). */
  amr: z.array(z.string()).max(10),
  /** Seconds since 1970. */
  auth_time: z.int(),
  iat: z.int(),
  exp: z.int(),
  /** Id of the API key that it lives and dies with, when it was made by one. */
  key: z.string().min(1).optional(),
});
export type SessionClaims = z.infer<typeof sessionClaims>;

export async function signSession(
  { sub, iat, exp, ...claims }: SessionClaims,
  key: { kid: string; privateKey: CryptoKey },
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', kid: key.kid, typ: TYP })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(sub)
    .setIssuedAt(iat)
    .setExpirationTime(exp)
    .sign(key.privateKey);
}

/** Signature, type, audience and time; undefined when any is wrong. Whether it was ended since is the caller's to check. */
export async function verifySession(
  token: string,
  keys: JWTVerifyGetKey,
  now: Date,
): Promise<SessionClaims | undefined> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ['EdDSA'],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: TYP,
      requiredClaims: ['sub', 'sid', 'epoch', 'amr', 'auth_time', 'iat', 'exp'],
      maxTokenAge: SESSION_SECONDS,
      clockTolerance: 5,
      currentDate: now,
    });
    const claims = sessionClaims.safeParse(payload);
    return claims.success ? claims.data : undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

const SESSION_COOKIE = 'imageplane_session';
const FLOW_COOKIE = 'imageplane_sign_in';

/**
 * Over an encrypted connection the name has the prefix that browsers reserve for cookies of this very host (RFC 6265bis
 * §4.1.3.2): no neighbouring host and no plain connection can plant one.
 */
export const sessionCookieName = (secure: boolean): string => (secure ? '__Host-' : '') + SESSION_COOKIE;
/** What a sign-in in progress must remember, bound to the browser that began it. */
export const flowCookieName = (secure: boolean): string => (secure ? '__Host-' : '') + FLOW_COOKIE;

/** Whether a cookie is the product's own: never a service's to see or to set. */
export function isOwnCookie(name: string): boolean {
  return [SESSION_COOKIE, FLOW_COOKIE].includes(name.toLowerCase().replace(/^__(host|secure)-/, ''));
}

/** The value of a `Set-Cookie` header; an empty value removes the cookie. */
export function setCookie(
  name: string,
  value: string,
  { maxAgeSeconds, secure }: { maxAgeSeconds: number; secure: boolean },
): string {
  return `${name}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
}
