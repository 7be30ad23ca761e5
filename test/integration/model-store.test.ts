import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect, createServer as createProxy, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { stringify } from 'yaml';
import { modelFetchExit, modelFetchMessage, type ModelFetchReason } from '../../contracts/model-fetch.ts';
import { freePorts, type RunningProgram, startProgram, until } from '../support/program.ts';

const CONTENT = randomBytes(3_000_000);
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const DIGEST = sha256(CONTENT);
const WRONG = sha256(Buffer.from('what the manifest says'));
const GONE = sha256(Buffer.from('no such file'));
const HUGE = sha256(Buffer.from('too much'));
const SECRET = sha256(Buffer.from('secret'));
const PIPELINE = { size: { width: 16, height: 16 }, mean: [0.5, 0.5, 0.5], std: [1, 1, 1] };

const model = (name: string, source: string, digest: string, size: number, kind = 'ClusterImageModel') => ({
  apiVersion: 'imageplane.dev/v1alpha1',
  kind,
  metadata: { name, ...(kind === 'ImageModel' ? { namespace: 'tenant-demo' } : {}) },
  spec: {
    task: 'background-removal',
    family: 'tiny',
    files: [{ name: 'model.onnx', source, sha256: digest, size }],
    license: { spdx: 'MIT', commercialUse: true, source: 'a test' },
    precision: 'fp32',
    pipeline: PIPELINE,
  },
});

interface Ended {
  code: number;
  /** The termination message. */
  reason: ModelFetchReason | undefined;
  message: string;
}

describe('models from the store to the pod', () => {
  let folder: string;
  let ports: Record<'listen' | 'metrics', number>;
  let store: RunningProgram;
  let url: string;
  let run = 0;

  const config = () => ({
    logLevel: 'warn',
    listen: { host: '127.0.0.1', port: ports.listen },
    metrics: { host: '127.0.0.1', port: ports.metrics },
    store: join(folder, 'store'),
    maxBytes: 20_000_000,
    files: join(folder, 'files'),
    objects: { paths: [join(folder, 'objects.yaml')] },
    waitSeconds: 1,
  });
  const startStore = async (): Promise<void> => {
    store = await startProgram('control-plane/model-store/main.ts', config());
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'imageplane-model-store-'));
    ports = await freePorts('listen', 'metrics');
    url = `http://127.0.0.1:${ports.listen}`;
    await mkdir(join(folder, 'files'));
    await writeFile(join(folder, 'files', 'model.onnx'), CONTENT);
    await writeFile(join(folder, 'secret'), 'secret');
    const tenant = {
      apiVersion: 'imageplane.dev/v1alpha1',
      kind: 'Tenant',
      metadata: { name: 'demo' },
      spec: { plan: 'free' },
    };
    const objects = [
      tenant,
      model('there', 'file:model.onnx', DIGEST, CONTENT.length),
      model('wrong', 'file:model.onnx', WRONG, CONTENT.length),
      model('gone', 'file:gone.onnx', GONE, 12),
      model('outside', `file://${join(folder, 'secret')}`, SECRET, 6),
      model('huge', 'file:huge.onnx', HUGE, 21_000_000),
      model('tenants', 'file:model.onnx', 'b'.repeat(64), CONTENT.length, 'ImageModel'),
    ];
    await writeFile(join(folder, 'objects.yaml'), objects.map((object) => stringify(object)).join('---\n'));
    await startStore();
  });
  after(async () => {
    await store.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs the init container's program for one file, as the operator has it. */
  const fetchModel = async (
    file: { sha256: string; size: number },
    options: { store?: string; pod?: string } = {},
  ): Promise<Ended & { path: string; pod: string }> => {
    const pod = options.pod ?? join(folder, `pod-${String(run++)}`);
    await mkdir(pod, { recursive: true });
    const path = join(pod, 'models', 'model.onnx');
    const files = [{ name: 'model.onnx', path, ...file }];
    const own = { name: 'm', family: 'tiny', task: 'background-removal', files, pipeline: PIPELINE };
    await writeFile(join(pod, 'config.json'), JSON.stringify({ tenant: 'demo', models: [own] }));
    const log = join(pod, 'termination-log');
    await rm(log, { force: true });
    const program = ['inference-server/fetch-model.ts', '--config', join(pod, 'config.json')];
    const code = await new Promise<number>((resolve) => {
      execFile(
        process.execPath,
        [...program, '--store', options.store ?? url, '--termination-log', log],
        (error) => {
          resolve(typeof error?.code === 'number' ? error.code : error === null ? 0 : 1);
        },
      );
    });
    const text = await readFile(log, 'utf8').catch(() => undefined);
    const said = text === undefined ? undefined : modelFetchMessage.parse(JSON.parse(text));
    return { code, reason: said?.reason, message: said?.message ?? '', path, pod };
  };
  const refusedAs = (ended: Ended, reason: ModelFetchReason): void => {
    assert.deepEqual([ended.code, ended.reason], [modelFetchExit[reason], reason], ended.message);
  };

  it('come whole, and a second run has nothing left to do', async () => {
    const first = await fetchModel({ sha256: DIGEST, size: CONTENT.length });
    assert.deepEqual([first.code, first.reason], [0, undefined], first.message);
    assert.deepEqual(await readFile(first.path), CONTENT);
    const { mtimeMs } = await stat(first.path);
    const second = await fetchModel({ sha256: DIGEST, size: CONTENT.length }, { pod: first.pod });
    assert.equal(second.code, 0);
    assert.equal((await stat(second.path)).mtimeMs, mtimeMs);
  });

  it('are served again without their source, after a restart too', async () => {
    assert.equal(await store.stop(), 0);
    await rm(join(folder, 'files', 'model.onnx'));
    try {
      await startStore();
      assert.equal((await fetchModel({ sha256: DIGEST, size: CONTENT.length })).code, 0);
    } finally {
      await writeFile(join(folder, 'files', 'model.onnx'), CONTENT);
    }
  });

  it('end with DigestMismatch when the source gives something else', async () => {
    const ended = await fetchModel({ sha256: WRONG, size: CONTENT.length });
    refusedAs(ended, 'DigestMismatch');
    assert.match(ended.message, new RegExp(`expected sha256 ${WRONG}, found ${DIGEST}`));
  });

  it('end with DigestMismatch when the pod expects another size than the store has', async () => {
    refusedAs(await fetchModel({ sha256: DIGEST, size: CONTENT.length - 1 }), 'DigestMismatch');
  });

  it('end with NotFound when the source has no such file, and when no model lists the blob', async () => {
    refusedAs(await fetchModel({ sha256: GONE, size: 12 }), 'NotFound');
    const unlisted = await fetchModel({ sha256: 'c'.repeat(64), size: 5 });
    refusedAs(unlisted, 'NotFound');
    assert.match(unlisted.message, /No ImageModel or ClusterImageModel lists/);
  });

  it('never come from a file outside the folder of files, or for a tenant’s model from any', async () => {
    for (const [digest, size] of [
      [SECRET, 6],
      ['b'.repeat(64), CONTENT.length],
    ] as const) {
      const ended = await fetchModel({ sha256: digest, size });
      refusedAs(ended, 'NotFound');
      assert.match(ended.message, /reads files only for a ClusterImageModel/);
    }
    assert.ok(!(await readdir(join(folder, 'store', 'blobs', 'sha256'))).includes(SECRET));
  });

  it('end with NoSpace when the store may not hold them, and nothing in use goes for it', async () => {
    refusedAs(await fetchModel({ sha256: HUGE, size: 21_000_000 }), 'NoSpace');
    assert.ok((await readdir(join(folder, 'store', 'blobs', 'sha256'))).includes(DIGEST));
  });

  it('end with Usage when the configuration cannot be used', async () => {
    refusedAs(await fetchModel({ sha256: 'short', size: 1 }), 'Usage');
  });

  it('are told apart by ranges, digests and probes over HTTP', async () => {
    const blob = `${url}/blobs/sha256/${DIGEST}`;
    const part = await fetch(blob, { headers: { range: 'bytes=10-19', 'if-range': `"${DIGEST}"` } });
    assert.equal(part.status, 206);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), CONTENT.subarray(10, 20));
    assert.equal(part.headers.get('etag'), `"${DIGEST}"`);
    for (const path of ['/blobs/sha256/..%2f..%2fverified', '/blobs/sha256/x', '/', '/etc/passwd'])
      assert.equal((await fetch(url + path)).status, 404, path);
    const ready = await fetch(`http://127.0.0.1:${ports.metrics}/readyz`);
    assert.deepEqual(await ready.json(), { ready: true, problems: [] });
    const metrics = await (await fetch(`http://127.0.0.1:${ports.metrics}/metrics`)).text();
    assert.match(metrics, /imageplane_model_store_blobs_served_total [1-9]/);
    assert.match(metrics, /imageplane_model_store_fetches_total\{outcome="mismatch"\} [1-9]/);
  });

  describe('over a line that breaks', () => {
    let servers: { close: () => void }[] = [];
    afterEach(() => {
      for (const server of servers) server.close();
      servers = [];
    });

    /** Cuts each of the first connections after so many bytes of the answer. */
    const breakingProxy = async (cuts: number[]): Promise<{ url: string; ranges: () => string[] }> => {
      const requests: string[] = [];
      const open = new Set<Socket>();
      const server = createProxy((client) => {
        open.add(client);
        const upstream = connect(ports.listen, '127.0.0.1');
        let left = cuts.shift() ?? Infinity;
        client.on('data', (bytes) => requests.push(bytes.toString('latin1')));
        client.pipe(upstream);
        upstream.on('data', (bytes: Buffer) => {
          client.write(bytes.subarray(0, left));
          left -= bytes.length;
          if (left <= 0) {
            client.destroy();
            upstream.destroy();
          }
        });
        for (const socket of [client, upstream]) socket.on('error', () => undefined);
        upstream.on('close', () => client.end());
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      servers.push({
        close: () => {
          for (const socket of open) socket.destroy();
          server.close();
        },
      });
      const { port } = server.address() as { port: number };
      const ranges = (): string[] =>
        requests.map((text) => /^range: (.*)$/im.exec(text)?.[1]?.trim() ?? 'whole');
      return { url: `http://127.0.0.1:${port}`, ranges };
    };

    it('go on from where they broke', async () => {
      const proxy = await breakingProxy([1_000_000, 1_200_000]);
      const ended = await fetchModel({ sha256: DIGEST, size: CONTENT.length }, { store: proxy.url });
      assert.equal(ended.code, 0, ended.message);
      assert.deepEqual(await readFile(ended.path), CONTENT);
      const [first, ...others] = proxy.ranges();
      assert.equal(first, 'whole');
      assert.ok(
        others.length >= 2 && others.every((range) => /^bytes=[1-9]\d+-$/.test(range)),
        others.join(),
      );
    });

    it('come whole also when what a killed run left behind is damaged', async () => {
      const pod = join(folder, 'pod-damaged');
      await mkdir(join(pod, 'models'), { recursive: true });
      await writeFile(join(pod, 'models', 'model.onnx.part'), randomBytes(1_000_000));
      const ended = await fetchModel({ sha256: DIGEST, size: CONTENT.length }, { pod });
      assert.equal(ended.code, 0, ended.message);
      assert.deepEqual(await readFile(ended.path), CONTENT);
    });

    it(
      'end with Unreachable when nobody answers, after a bounded number of tries',
      { timeout: 120_000 },
      async () => {
        let asked = 0;
        const server: Server = createServer((_request, response) => {
          asked += 1;
          response.writeHead(503).end();
        });
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        servers.push(server);
        const { port } = server.address() as { port: number };
        const ended = await fetchModel(
          { sha256: DIGEST, size: CONTENT.length },
          { store: `http://127.0.0.1:${port}` },
        );
        refusedAs(ended, 'Unreachable');
        await until('it has given up', () => asked === 8, 1_000);
      },
    );
  });
});
