import assert from 'node:assert/strict';
import { isAbsolute, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseSource, SourceError } from './source.ts';

const BASE = '/srv/imageplane';

describe('the source of a model file', () => {
  it('may be https', () => {
    const source = parseSource('https://models.example/u2net.onnx?v=2', BASE);
    assert.equal(source.kind === 'https' && source.url.href, 'https://models.example/u2net.onnx?v=2');
  });

  it('may be a file, counted from the base when it is relative', () => {
    assert.deepEqual(parseSource('file:models/tiny.onnx', BASE), {
      kind: 'file',
      path: join(BASE, 'models/tiny.onnx'),
    });
    assert.deepEqual(parseSource('file:///mnt/a%20b.onnx', BASE), { kind: 'file', path: '/mnt/a b.onnx' });
  });

  it('may be a member of an index in an npm package', () => {
    assert.deepEqual(parseSource('npm:@scope/pack-age@1.4.5/dist/resources.json#/models/medium', BASE), {
      kind: 'npm',
      package: '@scope/pack-age@1.4.5',
      path: 'dist/resources.json',
      member: '/models/medium',
    });
    assert.deepEqual(parseSource('npm:plain@0.1.0-rc.1/model.onnx', BASE), {
      kind: 'npm',
      package: 'plain@0.1.0-rc.1',
      path: 'model.onnx',
      member: undefined,
    });
  });

  it('is refused with a reason when it is something else', () => {
    const refused: [string, RegExp][] = [
      ['http://models.example/u2net.onnx', /http: is not a source/],
      ['ftp://models.example/u2net.onnx', /ftp: is not a source/],
      ['models/tiny.onnx', /not a source/],
      ['https://me:secret@models.example/x', /no user name and no password/],
      ['npm:plain@latest/model.onnx', /exact version/],
      ['npm:plain@^1.0.0/model.onnx', /exact version/],
      ['npm:--flag@1.0.0/model.onnx', /exact version/],
      ['npm:../up@1.0.0/model.onnx', /exact version/],
      ['npm:plain@1.0.0/../../etc/passwd', /leaves the package/],
      ['npm:plain@1.0.0/a/../b', /leaves the package/],
      ['npm:plain@1.0.0//etc/passwd', /leaves the package/],
      ['file://server/share/x', /file URL/],
    ];
    for (const [text, reason] of refused) {
      assert.throws(
        () => parseSource(text, BASE),
        (error) => error instanceof SourceError && reason.test(error.message),
      );
    }
  });

  it('never repeats a password in its message', () => {
    assert.throws(
      () => parseSource('https://me:hunter2@models.example/x', BASE),
      (error) => error instanceof SourceError && !error.message.includes('hunter2'),
    );
  });

  it('never leads out of its package nor turns into an option of npm, whatever is written', () => {
    const piece = fc.constantFrom(
      'npm:',
      'a',
      '@',
      '1.0.0',
      '/',
      '..',
      '.',
      '#',
      '-',
      '--',
      'x.json',
      '\\',
      ' ',
      '\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const text = `npm:${pieces.join('')}`;
        let source;
        try {
          source = parseSource(text, BASE);
        } catch (error) {
          assert.ok(error instanceof SourceError);
          return;
        }
        assert.ok(source.kind === 'npm');
        assert.match(source.package, /^[@a-z0-9]/);
        assert.ok(!isAbsolute(source.path));
        assert.ok(!relative('package', join('package', source.path)).startsWith('..'));
      }),
      { numRuns: 2000 },
    );
  });
});
