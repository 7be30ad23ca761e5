import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  createLocalJWKSet,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWTVerifyGetKey,
  SignJWT,
} from 'jose';
import { v7 as uuidv7 } from 'uuid';
import {
  ASSERTION_TTL_SECONDS,
  AUTH_AUDIENCE,
  signAssertion,
  signAuthAssertion,
  verifyAssertion,
  verifyAuthAssertion,
} from './assertion.ts';
import type { Principal } from './principal.ts';

const principal: Principal = {
  id: 'app_1',
  tenant: 'demo',
  kind: 'application',
  name: '商城',
  department: '市场部',
  role: 'editor',
};
const now = new Date('2026-11-24T08:00:00Z');
const request = { aud: 'demo/cutout', jti: uuidv7(), htm: 'POST', htu: '/api/remove?om=true', principal };
const expected = { audience: 'demo/cutout', method: 'POST', target: '/api/remove?om=true' };

let keys: JWTVerifyGetKey;
let privateKey: CryptoKey;

before(async () => {
  const pair = await generateKeyPair('EdDSA', { extractable: true });
  privateKey = pair.privateKey;
  keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'EdDSA' }] });
});

const sign = (changes: Partial<typeof request> = {}): string =>
  signAssertion({ ...request, ...changes }, { kid: 'k1', privateKey }, now);

async function refusal(token: string | undefined, at = now): Promise<string> {
  const result = await verifyAssertion(token, expected, keys, at);
  return result.ok ? 'accepted' : result.reason;
}

const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);

describe('an assertion', () => {
  it('carries the principal to the one request that it was made for', async () => {
    const result = await verifyAssertion(sign(), expected, keys, now);
    assert.ok(result.ok);
    assert.deepEqual(result.claims.principal, principal);
    assert.equal(result.claims.jti, request.jti);
  });

  it('is refused for another audience, method, path or query', async () => {
    assert.equal(await refusal(sign({ aud: 'demo/other' })), 'wrong_audience');
    assert.equal(await refusal(sign({ htm: 'GET' })), 'wrong_request');
    assert.equal(await refusal(sign({ htu: '/api/remove' })), 'wrong_request');
    assert.equal(await refusal(sign({ htu: '/api/other?om=true' })), 'wrong_request');
  });

  it('is refused once its time is over', async () => {
    const token = sign();
    assert.equal(await refusal(token, later(ASSERTION_TTL_SECONDS - 1)), 'accepted');
    assert.equal(await refusal(token, later(ASSERTION_TTL_SECONDS + 10)), 'expired');
  });

  it('is refused when it is missing, altered, or signed by anyone else or in any other way', async () => {
    const token = sign();
    const [head = '', body = '', signature = ''] = token.split('.');
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims: unknown = JSON.parse(Buffer.from(body, 'base64url').toString());
    const stranger = await generateKeyPair('EdDSA');
    const forgeries = {
      empty: '',
      'with another body': `${head}.${encode({ ...(claims as object), aud: 'demo/cutout', exp: 9e9 })}.${signature}`,
      'without a signature': `${encode({ alg: 'none', typ: 'imageplane-assertion+jwt' })}.${body}.`,
      'signed by a stranger': signAssertion(request, { kid: 'k1', privateKey: stranger.privateKey }, now),
      'with the public key as an HMAC secret': await new SignJWT(claims as Record<string, unknown>)
        .setProtectedHeader({ alg: 'HS256', kid: 'k1', typ: 'imageplane-assertion+jwt' })
        .sign(Buffer.from('k1')),
      'of another type of token': await new SignJWT(claims as Record<string, unknown>)
        .setProtectedHeader({ alg: 'EdDSA', kid: 'k1', typ: 'JWT' })
        .sign(privateKey),
      'without a principal': await new SignJWT({ htm: 'POST', htu: request.htu })
        .setProtectedHeader({ alg: 'EdDSA', kid: 'k1', typ: 'imageplane-assertion+jwt' })
        .setIssuer('imageplane-gateway')
        .setAudience(request.aud)
        .setJti(request.jti)
        .setIssuedAt(now)
        .setExpirationTime(later(30))
        .sign(privateKey),
    };
    assert.equal(await refusal(undefined), 'missing');
    for (const [name, forgery] of Object.entries(forgeries))
      assert.ok(['missing', 'invalid'].includes(await refusal(forgery)), name);
  });
});

describe('an assertion for signing in', () => {
  const client = {
    address: '192.0.2.7',
    secure: true,
    origin: 'https://gateway.example',
    language: 'zh' as const,
  };
  const signIn = { method: 'POST', target: '/auth/sign-in' };

  it('carries from where the request comes, and is no assertion of a principal, nor the other way round', async () => {
    const signed = { jti: uuidv7(), htm: 'POST', htu: '/auth/sign-in', client };
    const token = signAuthAssertion(signed, { kid: 'k1', privateKey }, now);
    const result = await verifyAuthAssertion(token, signIn, keys, now);
    assert.ok(result.ok);
    assert.deepEqual(result.claims.client, client);
    for (const audience of ['imageplane-api', AUTH_AUDIENCE])
      assert.equal((await verifyAssertion(token, { ...signIn, audience }, keys, now)).ok, false);
    const ofPrincipal = sign({ aud: AUTH_AUDIENCE, htu: '/auth/sign-in' });
    assert.equal((await verifyAuthAssertion(ofPrincipal, signIn, keys, now)).ok, false);
    const elsewhere = await verifyAuthAssertion(token, { ...signIn, target: '/auth/refresh' }, keys, now);
    assert.deepEqual(elsewhere, { ok: false, reason: 'wrong_request' });
  });
});
