import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { create } from 'tar';
import { prepareStore } from './blobs.ts';
import { fetchFile, type ModelFile } from './fetch-file.ts';
import type { Packages } from './npm-package.ts';
import { tryLock } from './process-lock.ts';
import type { FetchProgress } from './progress.ts';

const CONTENT = randomBytes(300_000);
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const fileOf = (source: string, bytes = CONTENT): ModelFile => ({
  source,
  sha256: sha256(bytes),
  size: bytes.length,
});

let root: string;
let store: string;
let count = 0;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'imageplane-store-'));
});
after(async () => {
  await rm(root, { recursive: true, force: true });
});
beforeEach(() => {
  store = join(root, String(count++));
});

const visible = async (): Promise<string[]> => readdir(join(store, 'blobs', 'sha256'));
const temporary = async (): Promise<string[]> => readdir(join(store, 'tmp'));

async function assertNothingKept(): Promise<void> {
  assert.deepEqual(await visible(), []);
  assert.deepEqual(await temporary(), []);
}

describe('a file from a path', () => {
  const place = (): string => join(root, 'model.onnx');
  before(async () => {
    await writeFile(place(), CONTENT);
  });

  it('becomes a blob named by its digest', async () => {
    const path = await fetchFile(fileOf('file:model.onnx'), store, { base: root });
    assert.equal(path, join(store, 'blobs', 'sha256', sha256(CONTENT)));
    assert.deepEqual(await readFile(path), CONTENT);
    assert.deepEqual(await temporary(), []);
  });

  it('is refused, saying what was expected and found, when the digest differs', async () => {
    const file = { ...fileOf(`file:${place()}`), sha256: 'a'.repeat(64) };
    await assert.rejects(fetchFile(file, store), (error: Error) => {
      assert.match(error.message, new RegExp(`expected sha256 a{64}, found ${sha256(CONTENT)}`));
      assert.ok(error.message.includes(place()));
      return true;
    });
    await assertNothingKept();
  });

  it('is refused when the size differs or there is none', async () => {
    const larger = { ...fileOf(`file:${place()}`), size: CONTENT.length + 1 };
    await assert.rejects(fetchFile(larger, store), /expected 300001 bytes, found 300000/);
    await assert.rejects(fetchFile(fileOf('file:/nowhere/x'), store), /cannot be read: ENOENT/);
    await assert.rejects(fetchFile({ ...larger, sha256: '' }, store), /without a sha256/);
    await assertNothingKept();
  });
});

describe('a blob that is there', () => {
  const unreachable = { fetch: (): never => assert.fail('the network was used') };

  it('is given without any source, as long as its marker agrees', async () => {
    await writeFile(join(root, 'once'), CONTENT);
    const path = await fetchFile(fileOf(`file:${join(root, 'once')}`), store);
    const again = await fetchFile(fileOf('https://models.test/gone'), store, {
      ...unreachable,
      offline: true,
    });
    assert.equal(again, path);
  });

  it('is hashed again after it was touched, and fetched again after it was damaged', async () => {
    await writeFile(join(root, 'source'), CONTENT);
    const file = fileOf(`file:${join(root, 'source')}`);
    const path = await fetchFile(file, store);
    await utimes(path, 1, 1);
    const phases = new Set<string>();
    await fetchFile(file, store, { onProgress: ({ phase }) => phases.add(phase) });
    assert.deepEqual([...phases], ['verifying']);
    await writeFile(path, Buffer.alloc(CONTENT.length));
    await fetchFile(file, store);
    assert.deepEqual(await readFile(path), CONTENT);
  });

  it('is missed by name when nothing may be fetched', async () => {
    const file = fileOf('https://models.test/absent');
    await assert.rejects(
      fetchFile(file, store, { ...unreachable, offline: true }),
      /absent: not in .* offline/,
    );
  });
});

describe('a file over https', () => {
  type Handler = (request: IncomingMessage, response: ServerResponse) => void;
  let server: Server;
  let handler: Handler;
  let requests: IncomingMessage[] = [];
  before(async () => {
    server = createServer((request, response) => {
      requests.push(request);
      handler(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    requests = [];
  });
  // The transport is plain on loopback; everything above it is what runs against https.
  const overLoopback: typeof fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${url.pathname}`, init);
  };
  const get = (path: string, bytes = CONTENT, more = {}): Promise<string> =>
    fetchFile(fileOf(`https://models.test${path}`, bytes), store, { fetch: overLoopback, ...more });

  it('is downloaded through redirects, with its progress', async () => {
    handler = (request, response) => {
      if (request.url === '/from') response.writeHead(302, { location: '/to' }).end();
      else response.writeHead(200, { 'content-length': CONTENT.length }).end(CONTENT);
    };
    const seen: FetchProgress[] = [];
    const path = await get('/from', CONTENT, {
      onProgress: (progress: FetchProgress) => seen.push(progress),
    });
    assert.deepEqual(await readFile(path), CONTENT);
    const downloading = seen.filter(({ phase }) => phase === 'downloading');
    assert.deepEqual(downloading.at(-1), {
      phase: 'downloading',
      bytes: CONTENT.length,
      total: CONTENT.length,
    });
    assert.ok(
      downloading.every(({ bytes }, index) => index === 0 || bytes > (downloading[index - 1]?.bytes ?? 0)),
    );
  });

  it('does not leave https on a redirect, nor follow for ever', async () => {
    handler = (_request, response) => response.writeHead(302, { location: 'http://elsewhere.test/x' }).end();
    await assert.rejects(get('/x'), /leads to http:\/\/elsewhere.test, which is not https/);
    handler = (_request, response) => response.writeHead(302, { location: '/again' }).end();
    await assert.rejects(get('/x'), /leads on more than 5 times/);
    await assertNothingKept();
  });

  it('is resumed from where the connection broke', async () => {
    handler = (request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (from === 0) {
        response.writeHead(200, { 'content-length': CONTENT.length, etag: '"one"' });
        response.write(CONTENT.subarray(0, 100_000), () => setImmediate(() => response.destroy()));
        return;
      }
      response.writeHead(206, {
        etag: '"one"',
        'content-length': CONTENT.length - from,
        'content-range': `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`,
      });
      response.end(CONTENT.subarray(from));
    };
    assert.deepEqual(await readFile(await get('/torn')), CONTENT);
    assert.equal(requests.at(-1)?.headers['if-range'], '"one"');
  });

  it('starts again when a broken download cannot be resumed', async () => {
    let attempts = 0;
    handler = (_request, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length });
      if (attempts++ > 0) response.end(CONTENT);
      else response.write(CONTENT.subarray(0, 70_000), () => setImmediate(() => response.destroy()));
    };
    assert.deepEqual(await readFile(await get('/torn')), CONTENT);
    assert.equal(requests.at(-1)?.headers.range, undefined);
  });

  it('is tried again after a 503, and not after a 404', async () => {
    let attempts = 0;
    handler = (_request, response) => {
      if (attempts++ === 0) response.writeHead(503).end();
      else response.end(CONTENT);
    };
    assert.deepEqual(await readFile(await get('/busy')), CONTENT);
    handler = (_request, response) => response.writeHead(404).end();
    requests = [];
    await assert.rejects(get('/missing', randomBytes(10)), /missing: the server answered 404/);
    assert.equal(requests.length, 1);
  });

  it('is cut off as soon as it is larger than stated', async () => {
    handler = (_request, response) => {
      // Endless, and without a length.
      const more = (): void => {
        if (!response.destroyed) response.write(CONTENT, more);
      };
      more();
    };
    await assert.rejects(get('/endless'), /expected 300000 bytes, found more/);
    handler = (_request, response) => response.end(CONTENT.subarray(1));
    await assert.rejects(get('/short'), /expected 300000 bytes, found 299999/);
    await assertNothingKept();
  });

  it('is fetched once for all who ask at the same time', async () => {
    handler = (_request, response) => setTimeout(() => response.end(CONTENT), 30);
    const paths = await Promise.all(Array.from({ length: 8 }, () => get('/shared')));
    assert.equal(new Set(paths).size, 1);
    assert.equal(requests.length, 1);
  });

  it('goes on for the others when one of them aborts, and ends when all have', async () => {
    let release: () => void = () => undefined;
    handler = (_request, response) => {
      release = () => response.end(CONTENT);
    };
    const asked = (): Promise<boolean> => waitFor(() => requests.length > 0);
    const impatient = new AbortController();
    const left = get('/abort', CONTENT, { signal: impatient.signal });
    const stayed = get('/abort');
    await asked();
    impatient.abort();
    await assert.rejects(left, /abort/);
    release();
    assert.deepEqual(await readFile(await stayed), CONTENT);

    const other = randomBytes(1000);
    requests = [];
    const last = new AbortController();
    const alone = get('/alone', other, { signal: last.signal });
    await asked();
    const closed = new Promise((resolve) => requests[0]?.once('close', resolve));
    last.abort();
    await assert.rejects(alone, /abort/);
    await closed;
    assert.ok(await waitFor(async () => (await temporary()).length === 0));
    assert.deepEqual(await visible(), [sha256(CONTENT)]);
  });

  it('waits while another process fetches the same file, and then finds it there', async () => {
    const file = fileOf('https://models.test/elsewhere');
    await prepareStore(store);
    const lock = tryLock(join(store, 'locks', file.sha256));
    assert.ok(lock);
    let waited = false;
    const fetched = fetchFile(file, store, {
      fetch: () => assert.fail('the network was used'),
      onProgress: ({ phase }) => {
        waited ||= phase === 'waiting';
      },
    });
    assert.ok(await waitFor(() => waited));
    await writeFile(join(store, 'blobs', 'sha256', file.sha256), CONTENT);
    lock.release();
    assert.deepEqual(await readFile(await fetched), CONTENT);
  });
});

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
}

describe('a file of an npm package', () => {
  let tarball: string;
  let asked = 0;
  const packages: Packages = {
    tarball: () => {
      asked++;
      return Promise.resolve(tarball);
    },
    close: () => Promise.resolve(),
  };
  const member = (name: string, bytes = CONTENT): Promise<string> =>
    fetchFile(fileOf(`npm:weights@1.0.0/dist/resources.json#${name}`, bytes), store, { packages });

  before(async () => {
    const dist = join(root, 'package', 'dist');
    await mkdir(dist, { recursive: true });
    const cuts = [0, 120_000, 240_000, CONTENT.length];
    const chunks = await Promise.all(
      cuts.slice(1).map(async (to, index) => {
        const from = cuts[index] ?? 0;
        const bytes = CONTENT.subarray(from, to);
        await writeFile(join(dist, sha256(bytes)), bytes);
        return { hash: sha256(bytes), offsets: [from, to] };
      }),
    );
    const index = {
      '/whole': { size: CONTENT.length, chunks: chunks.toReversed() },
      '/gap': { size: CONTENT.length, chunks: [chunks[0], chunks[2]] },
      '/lost': { size: 5, chunks: [{ hash: 'f'.repeat(64), offsets: [0, 5] }] },
    };
    const escape = { size: 5, chunks: [{ hash: '../../../etc/passwd', offsets: [0, 5] }] };
    await writeFile(join(dist, 'resources.json'), JSON.stringify(index));
    await writeFile(join(dist, 'escape.json'), JSON.stringify({ ...index, '/escape': escape }));
    await writeFile(join(dist, 'plain.onnx'), CONTENT);
    tarball = join(root, 'weights-1.0.0.tgz');
    await create({ file: tarball, gzip: true, cwd: root }, ['package']);
  });

  it('is joined from the chunks of an index, in the order of their offsets', async () => {
    const seen: FetchProgress[] = [];
    const path = await fetchFile(fileOf('npm:weights@1.0.0/dist/resources.json#/whole'), store, {
      packages,
      onProgress: (progress) => seen.push(progress),
    });
    assert.deepEqual(await readFile(path), CONTENT);
    assert.ok(seen.some(({ phase, bytes }) => phase === 'unpacking' && bytes === CONTENT.length));
  });

  it('may be a plain file of it', async () => {
    const file = fileOf('npm:weights@1.0.0/dist/plain.onnx');
    assert.deepEqual(await readFile(await fetchFile(file, store, { packages })), CONTENT);
    assert.ok(asked > 0);
  });

  it('is refused when chunks leave a gap, are missing, or point out of the package', async () => {
    await assert.rejects(member('/gap'), /#\/gap: its chunks do not join at byte 120000/);
    await assert.rejects(member('/lost', Buffer.alloc(5)), /the package has no file dist\/f{64}/);
    await assert.rejects(member('/none'), /no member \/none; it has \/whole, \/gap, \/lost/);
    await assert.rejects(member('/whole', CONTENT.subarray(1)), /expected 299999 bytes, found 300000/);
    const escape = fileOf('npm:weights@1.0.0/dist/escape.json#/escape', Buffer.alloc(5));
    await assert.rejects(fetchFile(escape, store, { packages }), /not an index of chunks/);
    const absent = fileOf('npm:weights@1.0.0/dist/absent.json#/x');
    await assert.rejects(fetchFile(absent, store, { packages }), /has no such file/);
    const notIndex = fileOf('npm:weights@1.0.0/dist/plain.onnx#/x');
    await assert.rejects(fetchFile(notIndex, store, { packages }), /not an index of chunks/);
    await assertNothingKept();
  });

  it('is refused when the tarball is torn', async () => {
    const torn = join(root, 'torn.tgz');
    const whole = await readFile(tarball);
    for (const part of [0.3, 0.7, 0.99]) {
      await writeFile(torn, whole.subarray(0, Math.floor(whole.length * part)));
      const broken: Packages = { ...packages, tarball: () => Promise.resolve(torn) };
      await assert.rejects(
        fetchFile(fileOf('npm:weights@1.0.0/dist/resources.json#/whole'), store, { packages: broken }),
        /weights@1.0.0/,
      );
    }
    await assertNothingKept();
    assert.ok((await stat(tarball)).size > 0);
  });
});
