import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { address, routeTo, unixUrl } from './address.ts';

describe('a URL of a socket', () => {
  it('gives back the socket and the path that it was made of', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (name) => {
        const { url, socketPath } = routeTo(unixUrl(`/run/${name}`, '/a/b?c=d'));
        assert.equal(socketPath, `/run/${name}`);
        assert.equal(url.href, 'http://localhost/a/b?c=d');
      }),
    );
  });

  it('leaves other URLs as they are', () => {
    const { url, socketPath } = routeTo('http://127.0.0.1:7860/x');
    assert.equal(url.href, 'http://127.0.0.1:7860/x');
    assert.equal(socketPath, undefined);
  });
});

describe('an address', () => {
  it('is either of the network or a socket', () => {
    assert.ok(address.safeParse({ host: '127.0.0.1', port: 0 }).success);
    assert.ok(address.safeParse({ socket: '/run/api.sock' }).success);
    assert.ok(!address.safeParse({ host: '127.0.0.1', port: 0, socket: '/run/api.sock' }).success);
    assert.ok(!address.safeParse({}).success);
  });
});
