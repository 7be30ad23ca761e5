import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { safeNext } from './next.ts';

describe('safeNext', () => {
  it('leads to pages of services on this host and nowhere else', () => {
    for (const page of ['/s/a/b', '/s/a/b/', '/s/a/b/c?d=1', '/s/acme/studio/%E7%85%A7/x.html?q=//y'])
      assert.equal(safeNext(page), page);
    for (const next of [
      ...[null, undefined, '', 7, ['/s/a/b']],
      ...['//evil.example', 'https://evil.example', '/\\evil', '/api/v1', '/auth/sign-out', '/s/a'],
      ...['/s/a/b/../x', '/s/a/b/./x', '/s/a/b//x', '/s/a/b\nx: y', '/s/a/b#@evil', '/s/a/b;x', '/s/A/b'],
    ])
      assert.equal(safeNext(next), '/');
  });

  it('never leaves the host, whatever it is given', () => {
    const part = fc.constantFrom(
      '/',
      '\\',
      '.',
      '..',
      ':',
      '@',
      '//',
      's',
      'a',
      'evil.example',
      '%2f',
      '?',
      '#',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        for (const next of [parts.join(''), `/s/a/b${parts.join('')}`]) {
          const url = new URL(safeNext(next), 'https://gateway.example');
          assert.equal(url.origin, 'https://gateway.example');
          assert.match(url.pathname, /^\/(s\/a\/b.*)?$/);
        }
      }),
    );
  });
});
