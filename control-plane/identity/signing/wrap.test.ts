import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createWrapper } from './wrap.ts';

const master = randomBytes(32).toString('base64url');
const wrapper = createWrapper(master, 'signing-secret', randomBytes);

describe('a wrapped secret', () => {
  it('opens for its owner, and looks different each time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (secret, owner) => {
        const wrapped = wrapper.wrap(secret, owner);
        assert.equal(wrapper.unwrap(wrapped, owner), secret);
        assert.notEqual(wrapper.wrap(secret, owner), wrapped);
        assert.equal(wrapper.unwrap(wrapped, `${owner}x`), undefined);
      }),
    );
  });

  it('does not open under another key, for another purpose, or when one letter was changed', () => {
    const wrapped = wrapper.wrap('secret', 'k1');
    const other = createWrapper(randomBytes(32).toString('base64url'), 'signing-secret', randomBytes);
    assert.equal(other.unwrap(wrapped, 'k1'), undefined);
    assert.equal(createWrapper(master, 'totp-secret', randomBytes).unwrap(wrapped, 'k1'), undefined);
    for (const at of [4, 12, wrapped.length - 5]) {
      const changed = wrapped.charAt(at) === 'A' ? 'B' : 'A';
      assert.equal(wrapper.unwrap(wrapped.slice(0, at) + changed + wrapped.slice(at + 1), 'k1'), undefined);
    }
    for (const text of ['', 'v1', 'v1..', 'v2.a.b', wrapped.slice(0, 25)])
      assert.equal(wrapper.unwrap(text, 'k1'), undefined);
  });

  it('needs a key of 256 bits', () => {
    assert.throws(() => createWrapper('short', 'totp-secret', randomBytes), /32 bytes/);
  });
});
