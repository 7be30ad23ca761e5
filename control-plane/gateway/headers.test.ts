import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { forwardedRequestHeaders, forwardedResponseHeaders, pairs, publicLocation } from './headers.ts';

const identity = [
  ...[
    'x-user-id',
    'x-user-name',
    'x-user',
    'x-department',
    'x-imageplane-assertion',
    'x-imageplane-degraded',
  ],
  ...['x-request-id', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-user', 'forwarded', 'x-real-ip'],
  ...[
    'authorization',
    'x-api-key',
    'x-original-url',
    'x-auth-request-email',
    'remote-user',
    'true-client-ip',
  ],
  ...[
    'x-preferred-username',
    'x-webauth-user',
    'x-goog-authenticated-user-email',
    'x-goog-iap-jwt-assertion',
  ],
  ...['x-ms-client-principal-name', 'x-amzn-oidc-identity', 'x-token-subject', 'x-proxy-user'],
  ...[
    'tailscale-user-login',
    'cf-access-authenticated-user-email',
    'x-scheme',
    'x-forwarded',
    'front-end-https',
  ],
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'te', 'expect', 'keep-alive'],
];
/** Any capitalisation, and any other character that a server might take for a hyphen. */
const spelling = (name: string): fc.Arbitrary<string> =>
  fc
    .tuple(
      ...Array.from(name, (letter) =>
        letter === '-'
          ? fc.constantFrom('-', '_', '.', '~', '+', '|', '')
          : fc.constantFrom(letter, letter.toUpperCase()),
      ),
    )
    .map((letters) => letters.join(''));
const spoofed = fc.constantFrom(...identity).chain(spelling);
const harmless = fc.constantFrom(
  'Accept',
  'Content-Type',
  'User-Agent',
  'X-Custom',
  'Sec-WebSocket-Key',
  'Origin',
);
const value = fc.constantFrom('a', 'b', 'chunked', '0', '');

describe('forwardedRequestHeaders', () => {
  it('lets no spelling of an identity, forwarding or framing header through, and everything else in order', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(spoofed, harmless), value)), (headers) => {
        const kept = [...pairs(forwardedRequestHeaders(headers.flat()))];
        const expected = headers.filter(([name]) =>
          ['accept', 'content-type', 'user-agent', 'x-custom', 'sec-websocket-key', 'origin'].includes(
            name.toLowerCase(),
          ),
        );
        assert.deepEqual(kept, expected);
      }),
      { numRuns: 1_000 },
    );
  });

  it('drops what Connection declares to be for this hop, and cookies, which are handled apart', () => {
    const raw = ['Connection', 'close, X-Once', 'X-Once', '1', 'X-Kept', '2', 'Cookie', 'a=b'];
    assert.deepEqual(forwardedRequestHeaders(raw), ['X-Kept', '2']);
  });
});

describe('forwardedResponseHeaders', () => {
  it("keeps repetition and drops what concerns the connection, the whole origin, or the gateway's own word", () => {
    const raw = [
      ...['Content-Type', 'image/png', 'Vary', 'a', 'vary', 'b', 'Transfer-Encoding', 'chunked'],
      ...['Service-Worker-Allowed', '/', 'Clear-Site-Data', '"*"', 'X-Imageplane-Degraded', 'no'],
      ...['RateLimit', 'x', 'X-Request-Id', 'x', 'Set-Cookie', 'a=b'],
    ];
    assert.deepEqual(forwardedResponseHeaders(raw), ['Content-Type', 'image/png', 'Vary', 'a', 'vary', 'b']);
  });
});

describe('publicLocation', () => {
  const upstream = new URL('http://10.0.0.1:7860/base/');
  it('brings a redirect within the service under its prefix', () => {
    const cases: [string, string][] = [
      ['/login', '/s/a/b/login'],
      ['/base/login?x=1', '/s/a/b/login?x=1'],
      ['http://10.0.0.1:7860/base/x', '/s/a/b/x'],
      ['http://10.0.0.1:7860', '/s/a/b/'],
      ['/s/a/b/x', '/s/a/b/x'],
      ['relative/x', 'relative/x'],
      ['https://idp.example/x', 'https://idp.example/x'],
      ['//elsewhere.example/x', '//elsewhere.example/x'],
    ];
    for (const [location, expected] of cases)
      assert.equal(publicLocation(location, '/s/a/b', upstream), expected);
  });
});
