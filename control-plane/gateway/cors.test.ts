import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { gatewayConfig } from './config.ts';
import { corsHeaders, corsOf } from './cors.ts';

const APP = 'https://app.example.com';
const origins = new Set([APP]);
const bearer = ['Authorization', 'Bearer ipk_x'];

describe('another origin', () => {
  it('may call when it is listed, with a credential that its script sends', () => {
    for (const credential of [bearer, ['X-API-Key', 'k'], ['authorization', 'HMAC-SHA256 Credential=x']])
      assert.deepEqual(corsOf('POST', ['Origin', APP, ...credential], origins), {
        kind: 'actual',
        origin: APP,
      });
  });

  it('gets nothing with a cookie, a password, or no credential', () => {
    for (const headers of [
      ['Origin', APP],
      ['Origin', APP, 'Authorization', 'Basic YTpi'],
      ['Origin', APP, 'Cookie', 'imageplane_session=x'],
      ['Origin', APP, ...bearer, 'Cookie', 'a=b'],
      ['Origin', APP, 'Origin', APP, ...bearer],
    ])
      assert.deepEqual(corsOf('GET', headers, origins), { kind: 'none' });
  });

  it('is compared letter by letter', () => {
    for (const origin of [
      'null',
      'https://APP.example.com',
      `${APP}/`,
      `${APP}:443`,
      'http://app.example.com',
      `${APP}.evil.example`,
      'https://evil.example?https://app.example.com',
    ]) {
      assert.equal(corsOf('GET', ['Origin', origin, ...bearer], origins).kind, 'none', origin);
      const preflight = ['Origin', origin, 'Access-Control-Request-Method', 'POST'];
      assert.equal(corsOf('OPTIONS', preflight, origins).kind, 'refused', origin);
    }
  });

  it('is never allowed to send what the browser adds, whatever a request holds', () => {
    const name = fc.constantFrom('Origin', 'Cookie', 'Authorization', 'Access-Control-Request-Method');
    const value = fc.constantFrom(APP, 'null', '*', 'Bearer x', 'Basic x', 'POST');
    const headers = fc.array(fc.tuple(name, value), { maxLength: 5 }).map((all) => all.flat());
    fc.assert(
      fc.property(fc.constantFrom('GET', 'OPTIONS', 'POST'), headers, (method, raw) => {
        const answer = new Map(corsHeaders(corsOf(method, raw, origins)));
        assert.equal(answer.has('access-control-allow-credentials'), false);
        assert.ok([undefined, APP].includes(answer.get('access-control-allow-origin')));
        assert.match(answer.get('vary') ?? '', /^origin/);
      }),
    );
  });
});

describe('the list of origins', () => {
  it('is empty unless said, and takes nothing but exact origins', () => {
    const { cors } = gatewayConfig.shape;
    assert.deepEqual(cors.parse(undefined), { origins: [] });
    assert.deepEqual(corsHeaders(corsOf('GET', ['Origin', APP, ...bearer], new Set())), []);
    for (const origin of [APP, 'http://localhost:3000'])
      assert.equal(cors.safeParse({ origins: [origin] }).success, true, origin);
    for (const origin of ['*', 'null', `${APP}/`, 'https://*.example.com', 'app.example.com', `${APP}:443`])
      assert.equal(cors.safeParse({ origins: [origin] }).success, false, origin);
  });
});
