import { createHmac, createPublicKey, verify as verifySignature } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWK } from 'jose';
import { issuer, jwks, now, policies, refusing, seconds } from '../support/credentials.ts';
import { stops } from './attack.ts';

/** Whether a token is believed. */
type Believes = (token: string) => Promise<boolean>;

const published = async (): Promise<JWK> => {
  const { keys } = (await jwks.answer().json()) as { keys: JWK[] };
  return keys[0] ?? {};
};
const pem = async (): Promise<string> => {
  const jwk = await published();
  return createPublicKey({ key: { ...jwk }, format: 'jwk' })
    .export({ type: 'spki', format: 'pem' })
    .toString();
};

/** Asks the token how it wants to be verified. */
const naive: Believes = async (token) => {
  const [header = '', payload = '', signature = ''] = token.split('.');
  const data = Buffer.from(`${header}.${payload}`);
  const key = await pem();
  const { alg } = decodeProtectedHeader(token);
  if (alg === 'none') return true;
  if (alg === 'HS256') return createHmac('sha256', key).update(data).digest('base64url') === signature;
  return verifySignature('sha256', data, key, Buffer.from(signature, 'base64url'));
};

const ours: Believes = async (token) =>
  typeof (await refusing().tokens.verify(token, policies, now)) !== 'string';

const claims = {
  iss: issuer.issuer,
  aud: issuer.audience,
  sub: 'boss',
  groups: ['boss'],
  iat: seconds,
  exp: seconds + 60,
};
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Nobody but the issuer has its private key, and everybody has the public one. */
async function withPublicKey(believes: Believes): Promise<boolean> {
  const text = `${encoded({ alg: 'HS256', kid: 'r' })}.${encoded(claims)}`;
  const token = `${text}.${createHmac('sha256', await pem())
    .update(text)
    .digest('base64url')}`;
  return decodeJwt(token).sub === 'boss' && believes(token);
}

const unsigned = (believes: Believes): Promise<boolean> =>
  believes(`${encoded({ alg: 'none' })}.${encoded(claims)}.`);

const targets = { naive: () => naive, ours: () => ours };
stops('a token that is signed with the public key as a shared secret', withPublicKey, targets);
stops('a token that says it needs no signature', unsigned, targets);
