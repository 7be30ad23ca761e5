import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import type { Principal } from '../../contracts/principal.ts';
import { signAssertion } from '../../contracts/assertion.ts';
import { snapshot as schema } from '../../contracts/snapshot.ts';
import { RequestError } from '../../foundation/errors.ts';
import { generateApiKey } from '../identity/api-key.ts';
import { authenticate, credentialOf } from './authenticate.ts';
import { compilePolicies, type Policies } from './policies.ts';
import { type SigningKey, signSession } from './session.ts';

const ada: Principal = {
  id: 'ada',
  tenant: 'acme',
  kind: 'user',
  name: 'Ada',
  department: '',
  role: 'developer',
};
const good = generateApiKey(randomBytes);
const expired = generateApiKey(randomBytes);
const orphan = generateApiKey(randomBytes);
const now = new Date('2026-01-02T00:00:00Z');
const snapshot = schema.parse({
  version: '1',
  issuedAt: now.toISOString(),
  tenants: {},
  services: {},
  principals: { ada },
  keys: {
    [good.hash]: { id: good.id, principal: 'ada' },
    [expired.hash]: { id: expired.id, principal: 'ada', expiresAt: '2026-01-01T00:00:00Z' },
    [orphan.hash]: { id: orphan.id, principal: 'nobody' },
  },
});
const policies = compilePolicies(snapshot);
let key: SigningKey;
before(async () => {
  key = { kid: 'k', ...(await generateKeyPair('EdDSA')) };
});

async function outcome(headers: string[], at = now, against: Policies = policies): Promise<string> {
  try {
    const { principal, via } = await authenticate(credentialOf(headers, true), against, key, at);
    return `${principal.id} by ${via}`;
  } catch (error) {
    if (error instanceof RequestError) return error.code;
    throw error;
  }
}
const bearer = (text: string): string[] => ['Authorization', `Bearer ${text}`];
const session = (token: string): string[] => ['Cookie', `imageplane_session=${token}`];

describe('authenticate', () => {
  it('knows a key in either header, and nothing but the whole key', async () => {
    assert.equal(await outcome(bearer(good.key)), 'ada by key');
    assert.equal(await outcome(['X-API-Key', good.key]), 'ada by key');
    assert.equal(await outcome(['authorization', `bearer ${good.key}`]), 'ada by key');
    for (const text of [
      good.key.slice(0, -1),
      `${good.key}x`,
      good.hash,
      "'OR'1'='1",
      '__proto__',
      orphan.key,
    ])
      assert.equal(await outcome(bearer(text)), 'key_unknown', text);
    assert.equal(await outcome(['X-API-Key', '']), 'key_unknown');
    assert.equal(await outcome(bearer(expired.key)), 'key_expired');
  });

  it('asks for a credential it understands, and for exactly one', async () => {
    assert.equal(await outcome([]), 'credentials_missing');
    assert.equal(await outcome(['Authorization', 'Basic YTpi']), 'credentials_unsupported');
    assert.equal(await outcome(['Authorization', `Bearer ${good.key}, Basic x`]), 'credentials_unsupported');
    assert.equal(await outcome([...bearer(good.key), ...bearer(good.key)]), 'credentials_ambiguous');
    assert.equal(await outcome([...bearer(good.key), 'x-api-key', good.key]), 'credentials_ambiguous');
    assert.equal(await outcome([...bearer(good.key), ...session('x')]), 'credentials_ambiguous');
    assert.equal(
      await outcome(['Cookie', 'imageplane_session=a; imageplane_session=b']),
      'credentials_ambiguous',
    );
  });

  it('keeps a session for eight hours, and only while its key is valid', async () => {
    const token = await signSession({ principal: 'ada', keyId: good.id }, key, now);
    assert.equal(await outcome(session(token)), 'ada by session');
    const later = (hours: number): Date => new Date(now.getTime() + hours * 3_600_000);
    assert.equal(await outcome(session(token), later(7.9)), 'ada by session');
    assert.equal(await outcome(session(token), later(8.1)), 'session_invalid');
    const revoked = compilePolicies({ ...snapshot, keys: {} });
    assert.equal(await outcome(session(token), now, revoked), 'session_invalid');
    const ofExpired = await signSession({ principal: 'ada', keyId: expired.id }, key, now);
    assert.equal(await outcome(session(ofExpired)), 'session_invalid');
    const ofAnother = await signSession({ principal: 'eve', keyId: good.id }, key, now);
    assert.equal(await outcome(session(ofAnother)), 'session_invalid');
  });

  it('takes no other token for a session, were it signed with the same key', async () => {
    const assertion = await signAssertion(
      {
        aud: 'imageplane-session',
        jti: '0190163d-8694-739b-aea5-966c26f8ad90',
        htm: 'GET',
        htu: '/',
        principal: ada,
      },
      key,
      now,
    );
    const unsigned = `${Buffer.from('{"alg":"none","typ":"imageplane-session+jwt"}').toString('base64url')}.${Buffer.from('{"sub":"ada"}').toString('base64url')}.`;
    const other = { kid: 'k', ...(await generateKeyPair('EdDSA')) };
    const foreign = await signSession({ principal: 'ada', keyId: good.id }, other, now);
    const untyped = await new SignJWT({ key: good.id })
      .setProtectedHeader({ alg: 'EdDSA' })
      .setIssuer('imageplane-gateway')
      .setAudience('imageplane-session')
      .setSubject('ada')
      .setIssuedAt(now)
      .setExpirationTime('8h')
      .sign(key.privateKey);
    for (const token of [assertion, unsigned, foreign, untyped, '', 'x.y.z'])
      assert.equal(await outcome(session(token)), 'session_invalid', token);
  });
});
