import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { acceptsGzip, gzipHeaders, isCompressible, mayCompress } from './compress.ts';

const text = ['Content-Type', 'application/json; charset=utf-8', 'Content-Length', '5000'];

describe('an answer is compressed', () => {
  it('when the client takes gzip', () => {
    for (const value of ['gzip', 'br, GZIP;q=0.5', '*', 'deflate, gzip; q=1'])
      assert.equal(acceptsGzip(['Accept-Encoding', value]), true, value);
    for (const value of ['', 'br', 'gzip;q=0', 'gzip;q=0, *', '*;q=0', 'gzip;q=x', 'xgzip'])
      assert.equal(acceptsGzip(['Accept-Encoding', value]), false, value);
    assert.equal(acceptsGzip([]), false);
  });

  it('when it is text of a size that is worth it', () => {
    assert.equal(isCompressible('GET', 200, text), true);
    for (const type of [
      'text/html',
      'text/css',
      'application/problem+json',
      'text/javascript',
      'image/svg+xml',
    ])
      assert.equal(isCompressible('GET', 200, [...text.slice(2), 'content-type', type]), true, type);
    for (const type of ['text/event-stream', 'image/png', 'application/octet-stream', 'application/zip', ''])
      assert.equal(isCompressible('GET', 200, [...text.slice(2), 'content-type', type]), false, type);
    for (const length of ['0', '1023', String(1024 * 1024 + 1), '', 'x'])
      assert.equal(
        isCompressible('GET', 200, [...text.slice(0, 2), 'content-length', length]),
        false,
        length,
      );
    assert.equal(isCompressible('GET', 200, text.slice(0, 2)), false);
  });

  it('unless it has no body, is a part, is encoded, or must not be changed', () => {
    assert.equal(isCompressible('HEAD', 200, text), false);
    for (const status of [101, 204, 205, 206, 304])
      assert.equal(isCompressible('GET', status, text), false, String(status));
    for (const [name, value] of [
      ['content-encoding', 'br'],
      ['cache-control', 'public, No-Transform'],
      ['content-range', 'bytes 0-4999/9000'],
      ['content-digest', 'sha-256=:x:'],
    ] as const)
      assert.equal(isCompressible('GET', 200, [...text, name, value]), false, name);
  });

  it('and with a credential that browsers send by themselves, only for a page of this origin', () => {
    const gzip = ['Accept-Encoding', 'gzip'];
    assert.equal(mayCompress(gzip, false), true);
    assert.equal(mayCompress(gzip, true), false);
    for (const site of ['cross-site', 'same-site', 'none'])
      assert.equal(mayCompress([...gzip, 'Sec-Fetch-Site', site], true), false, site);
    assert.equal(mayCompress([...gzip, 'Sec-Fetch-Site', 'same-origin'], true), true);
  });

  it('as another representation: no length, no ranges, no strong validator', () => {
    assert.deepEqual(
      gzipHeaders(['Content-Length', '9', 'ETag', '"a"', 'Accept-Ranges', 'bytes', 'X', 'y']),
      [...['ETag', 'W/"a"', 'X', 'y'], ...['content-encoding', 'gzip']],
    );
  });
});
