import { type CryptoKey, errors, type JWTVerifyGetKey, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';

/** An access token of `POST /auth/token`, as the API signs it and gateways verify it (RFC 9068). */
const TYP = 'at+jwt';
export const TOKEN_ISSUER = 'imageplane-api';
const AUDIENCE = 'imageplane';

/** Short, since nobody is asked again while it lasts, except for what the snapshot says. */
export const ACCESS_TOKEN_SECONDS = 900;

export const accessTokenClaims = z.object({
  /** Id of the principal. */
  sub: z.string().min(1),
  /** Of its family, which may be revoked as a whole. */
  sid: z.string().min(1),
  jti: z.string().min(1),
  /** Id of the key that it was given for: it ends with it. */
  client_id: z.string().min(1),
  /** Of the principal when the token was made: one raised since ends it. */
  epoch: z.int().nonnegative(),
  iat: z.int(),
  exp: z.int(),
});
export type AccessTokenClaims = z.infer<typeof accessTokenClaims>;

export async function signAccessToken(
  { sub, jti, iat, exp, ...claims }: AccessTokenClaims,
  key: { kid: string; privateKey: CryptoKey },
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', kid: key.kid, typ: TYP })
    .setIssuer(TOKEN_ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(sub)
    .setJti(jti)
    .setIssuedAt(iat)
    .setExpirationTime(exp)
    .sign(key.privateKey);
}

/** Signature, type, audience and time; undefined when any is wrong. Whether it was ended since is the caller's to check. */
export async function verifyAccessToken(
  token: string,
  keys: JWTVerifyGetKey,
  now: Date,
): Promise<AccessTokenClaims | undefined> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ['EdDSA'],
      issuer: TOKEN_ISSUER,
      audience: AUDIENCE,
      typ: TYP,
      requiredClaims: ['sub', 'sid', 'jti', 'client_id', 'epoch', 'iat', 'exp'],
      maxTokenAge: ACCESS_TOKEN_SECONDS,
      clockTolerance: 5,
      currentDate: now,
    });
    const claims = accessTokenClaims.safeParse(payload);
    return claims.success ? claims.data : undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
