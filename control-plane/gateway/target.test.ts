import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalTarget, routeOf } from './target.ts';

const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
  .filter((text) => !/[/\\;]|^\.+$|\p{Cc}|[%.]/u.test(text) && text.isWellFormed())
  .map((text) => encodeURIComponent(text));

describe('canonicalTarget', () => {
  it('accepts any path of percent-encoded segments and gives back the same bytes', () => {
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), fc.webQueryParameters(), (segments, query) => {
        const raw = `/${segments.join('/')}?${query}`;
        fc.pre(/^[\x21-\x7e]*$/.test(raw) && !raw.includes('#'));
        const target = canonicalTarget(raw);
        assert.deepEqual(target, { raw, path: raw.slice(0, raw.indexOf('?')), query: `?${query}` });
      }),
    );
  });

  it('accepts nothing that decoding, once or more, turns into other segments', () => {
    const piece = fc.constantFrom(
      ...[
        'a',
        '/',
        '.',
        '..',
        '%2e',
        '%2E',
        '%2f',
        '%5c',
        '\\',
        ';',
        '%00',
        '%',
        '%25',
        '2e',
        '2f',
        '%c0%ae',
        'é',
      ],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const target = canonicalTarget(`/${pieces.join('')}`);
        if (target === undefined) return;
        let decoded = target.path;
        for (let round = 0; round < 3; round++) {
          assert.equal(decoded.split('/').length, target.path.split('/').length);
          assert.doesNotMatch(decoded, /\\|\/\/|;|\/\.\.?(\/|$)|[^\x20-\uffff]/);
          try {
            decoded = decodeURIComponent(decoded);
          } catch {
            return;
          }
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it('accepts what a Gradio page asks for', () => {
    for (const raw of [
      '/s/acme/pages/gradio_api/file=/tmp/gradio/6f1a/%E7%85%A7%E7%89%87%20(1).png',
      '/s/acme/pages/gradio_api/queue/data?session_hash=x1y2',
      '/s/acme/pages/gradio_api/upload?upload_id=abc',
      '/s/acme/pages/assets/index-BcD_1.js',
      '/s/acme/pages/theme.css?v=1',
      '/s/acme/pages/gradio_api/file=/tmp/gradio/100%25.png',
    ])
      assert.notEqual(canonicalTarget(raw), undefined, raw);
  });

  it('refuses other forms of a target', () => {
    for (const raw of [
      '',
      '*',
      'http://127.0.0.1/',
      'a',
      '/a b',
      '/a#b',
      '/a?b#c',
      `/${'a'.repeat(9_000)}`,
      '/%zz',
    ])
      assert.equal(canonicalTarget(raw), undefined, raw);
  });
});

describe('routeOf', () => {
  const route = (raw: string): ReturnType<typeof routeOf> | undefined => {
    const target = canonicalTarget(raw);
    return target && routeOf(target);
  };

  it('takes tenant and service from the path, and leaves the rest as it is', () => {
    assert.deepEqual(route('/s/acme/cut-out/a%20b/?c=/s/'), {
      kind: 'service',
      tenant: 'acme',
      service: 'cut-out',
      prefix: '/s/acme/cut-out',
      rest: '/a%20b/?c=/s/',
    });
  });

  it('sends the bare service to its slash, keeping the query', () => {
    assert.deepEqual(route('/s/acme/x?y=1'), { kind: 'service-root', location: '/s/acme/x/?y=1' });
  });

  it('knows its fixed paths and nothing else', () => {
    const kinds = [
      '/',
      '/healthz',
      '/auth/sign-in',
      '/auth/sign-out',
      '/api/v1/x',
      '/api',
      '/constructor',
      '/x',
    ];
    assert.deepEqual(
      kinds.map((path) => route(path)?.kind),
      ['home', 'healthz', 'auth', 'auth', 'api', 'none', 'none', 'none'],
    );
    for (const path of ['/s/', '/s/acme', '/s/Acme/x/', '/s/acme/-x/', '/s/__proto__/x/'])
      assert.equal(route(path)?.kind, 'unknown-service', path);
  });
});
