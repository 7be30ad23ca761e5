import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  EMPTY_SHA256,
  isSignature,
  isTimely,
  nativeMatches,
  parseSigned,
  replayKey,
  simpleMatches,
  stringToSign,
} from './signature.ts';

const secret = 'ips_secret';
const request = { method: 'POST', path: '/s/acme/cutout/api/remove', query: '?b=2&a=1' };
const said = { timestamp: '1700000000', nonce: 'n0123456789abcdef', bodySha256: EMPTY_SHA256 };

function native(signature: string) {
  const signed = parseSigned({
    authorization: `HMAC-SHA256 Credential=ipk_abcdefghijkm, Signature=${signature}`,
    ...said,
  });
  assert.ok(signed?.form === 'native');
  return signed;
}
const mac = (text: string): Buffer => createHmac('sha256', secret).update(text).digest();

describe('the native form', () => {
  it('signs these lines, and nothing else', () => {
    assert.equal(EMPTY_SHA256, createHash('sha256').digest('hex'));
    const text = stringToSign(request, said);
    assert.equal(
      text,
      `IMGW1-HMAC-SHA256\n1700000000\nn0123456789abcdef\nPOST\n/s/acme/cutout/api/remove\nb=2&a=1\n${EMPTY_SHA256}`,
    );
    assert.equal(nativeMatches(native(mac(text).toString('base64url')), request, secret), true);
  });

  it('binds method, path, query, time, nonce and body', () => {
    const signature = mac(stringToSign(request, said)).toString('base64url');
    for (const change of [
      { method: 'PUT' },
      { path: '/s/acme/other/' },
      { query: '?a=1&b=2' },
      { query: '' },
    ])
      assert.equal(nativeMatches(native(signature), { ...request, ...change }, secret), false);
    for (const change of [
      { timestamp: '1700000001' },
      { nonce: 'n0123456789abcdeg' },
      { bodySha256: 'a'.repeat(64) },
    ])
      assert.equal(nativeMatches({ ...native(signature), ...change }, request, secret), false);
    assert.equal(nativeMatches(native(signature), request, 'another'), false);
  });

  it('has one reading: no two requests have the same text to sign', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9/?&=.-]{1,12}$/);
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        const one = stringToSign({ method: 'GET', path: `/${a}`, query: `?${b}` }, said);
        const two = stringToSign({ method: 'GET', path: `/${c}`, query: `?${d}` }, said);
        assert.equal(one === two, a === c && b === d);
      }),
    );
  });

  it('is refused when anything of it is missing or shaped otherwise', () => {
    const authorization = `HMAC-SHA256 Credential=ipk_abcdefghijkm, Signature=${'a'.repeat(43)}`;
    assert.ok(parseSigned({ authorization, ...said }));
    for (const change of [
      { timestamp: undefined },
      { timestamp: '170000000' },
      { timestamp: '1700000000.5' },
      { nonce: 'short' },
      { nonce: undefined },
      { bodySha256: 'A'.repeat(64) },
      { authorization: authorization.slice(0, -1) },
      { authorization: authorization.replace('Credential', 'credential') },
    ])
      assert.equal(parseSigned({ authorization, ...said, ...change }), undefined);
  });
});

describe('the simple form', () => {
  const parse = (text: string) => {
    const signed = parseSigned({
      authorization: `Bearer ipk_abcdefghijkm:${text}`,
      timestamp: said.timestamp,
      nonce: undefined,
      bodySha256: undefined,
    });
    assert.ok(signed?.form === 'simple');
    return signed;
  };

  it('signs the timestamp and the body, however the body comes', async () => {
    const signed = parse(mac('1700000000body').toString('hex'));
    assert.equal(await simpleMatches(signed, [Buffer.from('bo'), Buffer.from('dy')], secret), true);
    assert.equal(await simpleMatches(signed, [Buffer.from('body!')], secret), false);
    assert.equal(await simpleMatches(signed, [Buffer.from('body')], 'another'), false);
  });

  it('is remembered by its bytes: capital letters do not make it another', () => {
    const hex = mac('1700000000').toString('hex');
    assert.equal(replayKey(parse(hex)), replayKey(parse(hex.toUpperCase())));
  });

  it('is told from a plain key', () => {
    assert.equal(isSignature('Bearer ipk_abcdefghijkm:00'), true);
    assert.equal(isSignature(`Bearer ipk_abcdefghijkm_${'a'.repeat(43)}`), false);
    assert.equal(isSignature('Basic YTpi'), false);
  });
});

describe('a timestamp', () => {
  it('is good for five minutes, and a minute ahead', () => {
    const now = new Date(1_700_000_000_000);
    for (const [seconds, timely] of [
      [0, true],
      [-300, true],
      [-301, false],
      [60, true],
      [61, false],
    ] as const)
      assert.equal(isTimely(String(1_700_000_000 + seconds), now), timely);
  });
});
