import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sessionCookieName, setCookie } from '../../contracts/session.ts';
import { cookiesForService, ownCookies, scopedSetCookie, sessionCookies } from './cookies.ts';

const SESSION_COOKIE = sessionCookieName(false);
const name = fc.constantFrom(
  'a',
  'b',
  'Imageplane_Session',
  SESSION_COOKIE,
  ` ${SESSION_COOKIE} `,
  '__Host-imageplane_session',
  'imageplane_sign_in',
  'x-session',
);
const text = fc.stringMatching(/^[A-Za-z0-9"=, ]{0,10}$/);

describe('cookies', () => {
  it('of the gateway never reach a service, and all others do', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.tuple(name, text))), (headers) => {
        const raw = headers.flatMap((one) => [
          'Cookie',
          one.map(([key, value]) => `${key}=${value}`).join('; '),
        ]);
        const left = cookiesForService(raw);
        assert.doesNotMatch(left ?? '', /(^|;)\s*(__host-)?imageplane_(session|sign_in)\s*=/i);
        const count = headers.flat().filter(([key]) => !/imageplane/i.test(key)).length;
        assert.equal(left === undefined ? 0 : left.split(';').length, count);
        const sessions = headers.flat().filter(([key]) => key.trim() === SESSION_COOKIE).length;
        assert.equal(sessionCookies(raw, false).length, sessions);
        const own = headers.flat().length - count;
        assert.equal(ownCookies(raw)?.split(';').length ?? 0, own);
      }),
    );
  });

  it('of a service stay under its prefix and cannot take the place of the session', () => {
    assert.equal(scopedSetCookie('a=1; Path=/; Domain=x; Secure', '/s/t/n'), 'a=1; Secure; Path=/s/t/n/');
    assert.equal(scopedSetCookie('a=1', '/s/t/n'), 'a=1; Path=/s/t/n/');
    assert.equal(scopedSetCookie('a=1; path=/s/t/n/x', '/s/t/n'), 'a=1; Path=/s/t/n/x');
    assert.equal(scopedSetCookie('a=1; Path=/s/t/n2', '/s/t/n'), 'a=1; Path=/s/t/n/s/t/n2');
    assert.equal(scopedSetCookie(`${SESSION_COOKIE}=x; Path=/`, '/s/t/n'), undefined);
    assert.equal(scopedSetCookie(' Imageplane_Session =x', '/s/t/n'), undefined);
    assert.equal(scopedSetCookie('__Host-a=x; Path=/; Secure', '/s/t/n'), undefined);
  });

  it('of a session are out of reach of scripts and other sites, and of plain connections where there is TLS', () => {
    assert.equal(
      setCookie(sessionCookieName(true), 't', { maxAgeSeconds: 60, secure: true }),
      '__Host-imageplane_session=t; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure',
    );
    const planted = ['Cookie', `${SESSION_COOKIE}=x`];
    assert.deepEqual(sessionCookies(planted, true), []);
  });
});
