import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { containsApiKey, generateApiKey, hashApiKey, parseApiKey } from './api-key.ts';

const bytesOf = fc.uint8Array({ minLength: 32, maxLength: 32 });
const keyFrom = (bytes: Uint8Array): ReturnType<typeof generateApiKey> =>
  generateApiKey((size) => bytes.subarray(0, size));

describe('API keys', () => {
  it('have the stated form, name themselves, and are kept as the SHA-256 of the whole', () => {
    fc.assert(
      fc.property(bytesOf, (bytes) => {
        const { id, key, hash } = keyFrom(bytes);
        assert.match(key, /^ipk_[a-z2-9]{12}_[A-Za-z0-9_-]{43}$/);
        assert.deepEqual(parseApiKey(key), { id });
        assert.equal(hash, hashApiKey(key));
        assert.match(hash, /^[0-9a-f]{64}$/);
      }),
    );
  });

  it('change their hash with every character, the last included', () => {
    const { key, hash } = generateApiKey(randomBytes);
    for (let index = 0; index < key.length; index++)
      assert.notEqual(hashApiKey(`${key.slice(0, index)}#${key.slice(index + 1)}`), hash);
  });

  it('are recognised only when whole', () => {
    const { key } = generateApiKey(randomBytes);
    for (const text of ['', key.slice(0, -1), `${key}A`, ` ${key}`, key.replace('ipk_', 'IPK_'), `${key}\n`])
      assert.equal(parseApiKey(text), undefined);
  });

  it('are noticed inside a URL, plain, cut off, or percent-encoded', () => {
    fc.assert(
      fc.property(bytesOf, fc.webPath(), (bytes, path) => {
        const { key } = keyFrom(bytes);
        const encoded = Array.from(key, (letter) => `%${letter.charCodeAt(0).toString(16)}`).join('');
        for (const text of [key, key.slice(0, 30), encoded, `x${key}x`])
          assert.equal(containsApiKey(`${path}?key=${text}`), true);
        assert.equal(containsApiKey(path), false);
      }),
    );
  });
});
