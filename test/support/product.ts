import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { unixUrl } from '../../foundation/address.ts';
import { fetchAnywhere } from '../../foundation/fetch.ts';
import { checkout } from './checkout.ts';
import { tinyGraph, type TinyGraph } from './onnx.ts';
import { until } from './program.ts';
import { npmStart, type ProcessInfo, processesNaming } from './standalone.ts';

/** The whole product as `npm start` runs it, over objects of a test's own. */
export interface Product {
  url: string;
  /** Of the first tenant: the demo key. */
  key: string;
  data: string;
  output: () => string;
  /** As the owner of the tables. */
  database: pg.Pool;
  /** The processes whose command matches. */
  processes: (command: RegExp) => Promise<ProcessInfo[]>;
  /** Reads a file that the supervisor wrote below the data folder. */
  read: (path: string) => Promise<string>;
  /** Makes a key of the first tenant by the API. */
  makeKey: (wanted: Record<string, unknown>) => Promise<string>;
  /** The demo key of any tenant, which replaces the one before. */
  demoKey: (tenant: string) => Promise<string>;
  stop(): Promise<void>;
}

/** A tenant, in YAML; `spec` is what is written below `spec:`, as JSON. */
export const tenantYaml = (name: string, spec: Record<string, unknown> = {}): string =>
  object('Tenant', { name }, spec);

export const onnxService = (
  tenant: string,
  name: string,
  model: string,
  spec: Record<string, unknown> = {},
): string =>
  object(
    'ImageService',
    { name, namespace: `tenant-${tenant}` },
    { engine: 'onnx', modelRef: { kind: 'ClusterImageModel', name: model }, ...spec },
  );

export const containerService = (tenant: string, name: string, localURL: string): string =>
  object(
    'ImageService',
    { name, namespace: `tenant-${tenant}` },
    { engine: 'container', container: { localURL } },
  );

function object(kind: string, metadata: Record<string, string>, spec: Record<string, unknown>): string {
  // JSON is YAML.
  return JSON.stringify({ apiVersion: 'imageplane.dev/v1alpha1', kind, metadata, spec });
}

/** A graph made here, with its manifest. */
export async function tinyModelYaml(folder: string, name: string, graph: TinyGraph): Promise<string> {
  const bytes = tinyGraph(graph);
  const path = join(folder, `${name}.onnx`);
  await writeFile(path, bytes);
  return object(
    'ClusterImageModel',
    { name },
    {
      task: 'background-removal',
      family: 'tiny',
      precision: 'fp32',
      license: { spdx: 'CC0-1.0', commercialUse: true, source: 'made by the tests' },
      files: [
        {
          name: 'model.onnx',
          source: `file:${path}`,
          size: bytes.length,
          sha256: createHash('sha256').update(bytes).digest('hex'),
        },
      ],
      pipeline: {
        size: { width: graph.width, height: graph.height },
        mean: [0.5, 0.5, 0.5],
        std: [1, 1, 1],
        activation: 'none',
      },
    },
  );
}

export interface ProductOptions {
  /** YAML documents; made in the folder given, which is removed at the end. */
  objects: (folder: string) => Promise<string[]>;
  /** Further files or folders of objects. */
  paths?: string[];
}

export async function startProduct({ objects, paths = [] }: ProductOptions): Promise<Product> {
  const root = await mkdtemp(join(tmpdir(), 'imageplane-product-'));
  // As root, Postgres runs as another user, who must come to the data.
  await chmod(root, 0o755);
  const data = join(root, 'data');
  const folder = join(root, 'objects');
  await mkdir(folder);
  await writeFile(join(folder, 'objects.yaml'), (await objects(folder)).join('\n---\n'));
  const running = npmStart(checkout, [
    ...['--port', '0', '--data-dir', data],
    ...['--objects', folder, ...paths.flatMap((path) => ['--objects', path])],
  ]);
  let database: pg.Pool | undefined;
  const stop = async (): Promise<void> => {
    await database?.end();
    if (running.child.exitCode === null) running.pressCtrlC();
    await running.exited;
    await until('every process has ended', async () => (await processesNaming(data)).length === 0);
    await rm(root, { recursive: true, force: true });
  };
  try {
    const [, url = ''] = await running.printed(/Address 地址: +(\S+)/, 120_000);
    const [, key = ''] = await running.printed(/Demo key 演示密钥: +(\S+)/);
    const read = (path: string): Promise<string> => readFile(join(data, path), 'utf8');
    const api = JSON.parse(await read('run/api.json')) as {
      database: { host: string; port: number; database: string; user: string };
      internal: { socket: string };
    };
    const known = async (made: string): Promise<string> => {
      await until('the gateway knows the new key', async () => {
        const { status } = await fetch(`${url}/api/v1/me`, { headers: { authorization: `Bearer ${made}` } });
        return status === 200;
      });
      return made;
    };
    database = new pg.Pool({
      ...api.database,
      password: (await read('secrets/owner.password')).trim(),
      max: 2,
    });
    database.on('error', () => undefined);
    return {
      url,
      key,
      data,
      output: running.output,
      database,
      read,
      processes: async (command) => (await processesNaming(data)).filter((one) => command.test(one.command)),
      async makeKey(wanted) {
        return known(await keyFrom(`${url}/api/v1/keys`, key, wanted));
      },
      async demoKey(tenant) {
        const token = (await read('secrets/internal.token')).trim();
        return known(await keyFrom(unixUrl(api.internal.socket, '/internal/v1/demo-key'), token, { tenant }));
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function keyFrom(url: string, token: string, body: Record<string, unknown>): Promise<string> {
  const response = await fetchAnywhere(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (response.status !== 201) throw new Error(`no key: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { key: string }).key;
}
