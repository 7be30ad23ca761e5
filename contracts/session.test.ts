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
import { isOwnCookie, SESSION_SECONDS, type SessionClaims, signSession, verifySession } from './session.ts';

const now = new Date('2026-11-24T08:00:00Z');
const iat = now.getTime() / 1000;
const claims: SessionClaims = {
  sub: 'usr_1',
  sid: 's1',
  epoch: 3,
  amr: ['pwd', 'otp'],
  auth_time: iat,
  iat,
  exp: iat + SESSION_SECONDS,
};
let keys: JWTVerifyGetKey;
let privateKey: CryptoKey;

before(async () => {
  const pair = await generateKeyPair('EdDSA', { extractable: true });
  privateKey = pair.privateKey;
  keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'EdDSA' }] });
});

const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);

describe('a session cookie', () => {
  it('says whose it is, how the person was authenticated and of which epoch, until its time is over', async () => {
    const token = await signSession(claims, { kid: 'k1', privateKey });
    const { sub, sid, epoch, amr } = (await verifySession(token, keys, later(60))) ?? {};
    assert.deepEqual([sub, sid, epoch, amr], ['usr_1', 's1', 3, ['pwd', 'otp']]);
    assert.equal(await verifySession(token, keys, later(SESSION_SECONDS + 10)), undefined);
  });

  it('lasts no longer than a session may, whatever its own end says', async () => {
    const token = await signSession({ ...claims, exp: iat + 365 * 86_400 }, { kid: 'k1', privateKey });
    assert.equal(await verifySession(token, keys, later(SESSION_SECONDS + 10)), undefined);
  });

  it('is refused when it is altered, signed by anyone else or otherwise, or is another kind of token', async () => {
    const token = await signSession(claims, { kid: 'k1', privateKey });
    const [head = '', body = '', signature = ''] = token.split('.');
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const decoded = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
    const stranger = await generateKeyPair('EdDSA');
    const typed = (typ: string, audience: string): Promise<string> =>
      new SignJWT(decoded)
        .setProtectedHeader({ alg: 'EdDSA', kid: 'k1', typ })
        .setAudience(audience)
        .sign(privateKey);
    const forgeries = {
      altered: `${head}.${encode({ ...decoded, sub: 'usr_2' })}.${signature}`,
      unsigned: `${encode({ alg: 'none', typ: 'imageplane-session+jwt' })}.${body}.`,
      "a stranger's": await signSession(claims, { kid: 'k1', privateKey: stranger.privateKey }),
      'with HMAC': await new SignJWT(decoded)
        .setProtectedHeader({ alg: 'HS256', kid: 'k1', typ: 'imageplane-session+jwt' })
        .sign(Buffer.from('k1')),
      'an access token': await typed('at+jwt', 'imageplane-session'),
      'of another audience': await typed('imageplane-session+jwt', 'imageplane'),
      nothing: '',
    };
    for (const [name, forgery] of Object.entries(forgeries))
      assert.equal(await verifySession(forgery, keys, now), undefined, name);
    assert.ok(await verifySession(await typed('imageplane-session+jwt', 'imageplane-session'), keys, now));
  });
});

describe('the product’s own cookies', () => {
  it('are known in any spelling that a browser might take for them', () => {
    for (const name of [
      'imageplane_session',
      'Imageplane_Session',
      '__Host-imageplane_session',
      '__secure-IMAGEPLANE_SIGN_IN',
    ])
      assert.equal(isOwnCookie(name), true, name);
    for (const name of ['session', 'imageplane_session2', 'x_imageplane_session', ''])
      assert.equal(isOwnCookie(name), false, name);
  });
});
