import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generateKeyPair } from 'jose';
import { signAssertion } from '../../contracts/assertion.ts';
import { type SessionClaims, signSession } from '../../contracts/session.ts';
import {
  accessToken,
  ada,
  base,
  bearer,
  compiled,
  expired,
  good,
  later,
  now,
  orphan,
  outcome,
  own,
  refusing,
  seconds,
  session,
} from '../../test/support/credentials.ts';

describe('a key', () => {
  it('is known in either header, and by nothing but the whole of it', async () => {
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

  it('ends with its principal', async () => {
    const principals = { ada: { ...ada, expiresAt: '2026-01-01T00:00:00Z' } };
    assert.equal(await outcome(bearer(good.key), { against: compiled({ principals }) }), 'key_unknown');
  });
});

describe('a credential', () => {
  it('is demanded, in a form that is known, and exactly once', async () => {
    assert.equal(await outcome([]), 'credentials_missing');
    assert.equal(await outcome(['Authorization', 'Basic YTpi']), 'credentials_unsupported');
    assert.equal(await outcome(['Authorization', 'Digest x']), 'credentials_unsupported');
    assert.equal(await outcome(['Authorization', `Bearer ${good.key}, Basic x`]), 'credentials_unsupported');
    assert.equal(await outcome([...bearer(good.key), ...bearer(good.key)]), 'credentials_ambiguous');
    assert.equal(await outcome([...bearer(good.key), 'x-api-key', good.key]), 'credentials_ambiguous');
    assert.equal(await outcome([...bearer(good.key), ...session('x')]), 'credentials_ambiguous');
    assert.equal(
      await outcome(['Cookie', 'imageplane_session=a; imageplane_session=b']),
      'credentials_ambiguous',
    );
  });
});

describe('a session', () => {
  const claims = (changes: Partial<SessionClaims> = {}): SessionClaims => ({
    sub: 'ada',
    sid: 's1',
    epoch: 1,
    amr: ['pwd'],
    auth_time: seconds,
    iat: seconds,
    exp: seconds + 8 * 3600,
    ...changes,
  });
  const made = async (changes: Partial<SessionClaims> = {}): Promise<string[]> =>
    session(await signSession(claims(changes), own));

  it('lasts for its eight hours, and no longer than the epoch of its principal', async () => {
    assert.equal(await outcome(await made()), 'ada by session');
    assert.equal(await outcome(await made(), { at: later(7.9) }), 'ada by session');
    assert.equal(await outcome(await made(), { at: later(8.1) }), 'session_invalid');
    assert.equal(await outcome(await made({ epoch: 0 })), 'session_invalid');
    assert.equal(await outcome(await made({ sid: 'ended' })), 'session_invalid');
    assert.equal(await outcome(await made({ sub: 'eve' })), 'session_invalid');
  });

  it('that rests on a key ends with it', async () => {
    const cookie = await made({ key: good.id });
    assert.equal(await outcome(cookie), 'ada by session');
    assert.equal(await outcome(cookie, { against: compiled({ keys: {} }) }), 'session_invalid');
    assert.equal(await outcome(await made({ key: expired.id })), 'session_invalid');
  });

  it('is no other token, were it signed with the same key', async () => {
    const assertion = signAssertion(
      {
        aud: 'imageplane-session',
        jti: '0190163d-8694-739b-aea5-966c26f8ad90',
        htm: 'GET',
        htu: '/',
        principal: ada,
      },
      own,
      now,
    );
    const access = await accessToken();
    const unsigned = `${Buffer.from('{"alg":"none","typ":"imageplane-session+jwt"}').toString('base64url')}.${Buffer.from('{"sub":"ada"}').toString('base64url')}.`;
    const other = { kid: 'k', privateKey: (await generateKeyPair('EdDSA')).privateKey };
    const foreign = await signSession(claims(), other);
    for (const token of [assertion, access, unsigned, foreign, '', 'x.y.z'])
      assert.equal(await outcome(session(token)), 'session_invalid', token);
  });
});

describe('an access token', () => {
  it('lasts for its quarter of an hour, and no longer than its key, its family and its epoch', async () => {
    assert.equal(await outcome(bearer(await accessToken())), 'ada by token');
    assert.equal(await outcome(bearer(await accessToken()), { at: later(0.26) }), 'token_invalid');
    assert.equal(await outcome(bearer(await accessToken({ sid: 'ended' }))), 'token_invalid');
    assert.equal(await outcome(bearer(await accessToken({ epoch: 0 }))), 'token_invalid');
    assert.equal(await outcome(bearer(await accessToken({ client_id: expired.id }))), 'token_invalid');
    assert.equal(await outcome(bearer(await accessToken({ sub: 'eve' }))), 'token_invalid');
  });

  it('that was found right before is looked up again, in the whole of it', async () => {
    const verifiers = refusing();
    const token = await accessToken();
    assert.equal(await outcome(bearer(token), { verifiers }), 'ada by token');
    const against = compiled({ sessions: { keys: base.sessions?.keys ?? [], revoked: ['f1'] } });
    assert.equal(await outcome(bearer(token), { verifiers, against }), 'token_invalid');
    const [head = '', body = '', signature = ''] = token.split('.');
    const forged = `${head}.${Buffer.from(Buffer.from(body, 'base64url').toString().replace('ada', 'eve')).toString('base64url')}.${signature}`;
    assert.equal(forged.slice(0, 20), token.slice(0, 20));
    assert.equal(await outcome(bearer(forged), { verifiers }), 'token_invalid');
  });
});
