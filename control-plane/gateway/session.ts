import { type CryptoKey, errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { bound } from './config.ts';

const TYP = 'imageplane-session+jwt';
const ISSUER = 'imageplane-gateway';
const AUDIENCE = 'imageplane-session';

const sessionClaims = z.object({ sub: z.string().min(1), key: z.string().min(1) });

/** Whose browser this is: a principal, and the key it signed in with, which must still be valid at each request. */
export interface Session {
  principal: string;
  keyId: string;
}

export interface SigningKey {
  kid: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** Its own `typ` and audience, so that neither a session passes for an assertion nor the other way round. */
export async function signSession(session: Session, key: SigningKey, now: Date): Promise<string> {
  const iat = Math.floor(now.getTime() / 1000);
  return new SignJWT({ key: session.keyId })
    .setProtectedHeader({ alg: 'EdDSA', kid: key.kid, typ: TYP })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setSubject(session.principal)
    .setIssuedAt(iat)
    .setExpirationTime(iat + bound.sessionSeconds)
    .sign(key.privateKey);
}

export async function verifySession(token: string, key: SigningKey, now: Date): Promise<Session | undefined> {
  try {
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: ['EdDSA'],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: TYP,
      requiredClaims: ['sub', 'key', 'iat', 'exp'],
      maxTokenAge: bound.sessionSeconds,
      currentDate: now,
    });
    const claims = sessionClaims.safeParse(payload);
    return claims.success ? { principal: claims.data.sub, keyId: claims.data.key } : undefined;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
