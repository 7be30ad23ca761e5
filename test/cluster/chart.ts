/**
 * The chart in a test cluster, as a person would install it for a trial:
 *
 *     const cluster = await openTestCluster('chart', { images: productImages });
 *     const chart = await installChart(cluster);
 *     await chart.preload(path, sha256);          // there is no way out to a model's source
 *     const key = await chart.firstKey('demo');
 *     const answer = await chart.request('/s/demo/cutout/v1/cutouts', { method: 'POST', … });
 *     await chart.upgrade({ logLevel: 'debug' });
 *     await chart.uninstall();
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, type Dispatcher, request as send } from 'undici';
import { makeCertificate } from '../support/certificate.ts';
import { until } from '../support/program.ts';
import { ensureBinaries, printProgress } from './binaries.ts';
import { execute } from './exec.ts';
import { namespaceObject, type TestCluster } from './testing.ts';

export const SYSTEM = 'imageplane-system';
export const DMZ = 'imageplane-dmz';
const HOST = 'images.test';
/** Its certificate is for this name too, and the gateway was not told of it. */
export const STRANGE_HOST = 'elsewhere.test';

const RELEASE = 'imageplane';
const CHART = join(import.meta.dirname, '..', '..', 'charts', 'imageplane');
const TLS_SECRET = 'images-test';
const NODE_PORT_PATH = 'jsonpath={.spec.ports[0].nodePort}';

type Values = Readonly<Record<string, unknown>>;

/** Little of everything, nothing on volumes: a test cluster has no provisioner. */
const testValues = {
  images: { registry: 'localhost/imageplane', tag: 'dev', pullPolicy: 'Never' },
  gateway: {
    hosts: [HOST],
    tls: { secretName: TLS_SECRET },
    service: { type: 'NodePort' },
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '1Gi' } },
  },
  api: {
    usageIntervalSeconds: 5,
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '1Gi' } },
  },
  modelStore: {
    persistence: { enabled: false, size: '4Gi' },
    maxGibibytes: 3,
    resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '1Gi' } },
  },
  operator: { resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '512Mi' } } },
  postgres: {
    trial: {
      enabled: true,
      persistence: { enabled: false, size: '1Gi' },
      resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '512Mi' } },
    },
  },
  networkPolicies: { kubernetesApi: { ports: [443, 6443] } },
};

export interface InstalledChart {
  /** Base URL of the gateway as the machine reaches it; `request` is the way in. */
  url: string;
  /** A request to the gateway by its own host name and certificate. */
  request(
    path: string,
    options?: Omit<Dispatcher.RequestOptions, 'origin' | 'path' | 'method'> & {
      method?: Dispatcher.HttpMethod;
    },
  ): Promise<Dispatcher.ResponseData>;
  /** Puts a file into the model store, under its digest; some model must list it. */
  preload(path: string, sha256: string): Promise<void>;
  /** An API key of an administrator of the tenant. */
  firstKey(tenant: string): Promise<string>;
  /** Waits until every Deployment of the chart named is available; all of them by default. */
  available(deployments?: readonly string[]): Promise<void>;
  upgrade(values: Values): Promise<void>;
  uninstall(): Promise<void>;
}

/** Installs the chart; `values` go over those for tests, section by section. `wait`: Deployments to wait for. */
export async function installChart(
  cluster: TestCluster,
  options: { values?: Values; wait?: readonly string[] } = {},
): Promise<InstalledChart> {
  const { helm } = await ensureBinaries(['helm'], { onProgress: printProgress });
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-chart-test-'));
  const env = { ...process.env, KUBECONFIG: cluster.kubeconfig };
  const certificate = await makeCertificate(folder, [`DNS:${HOST}`, `DNS:${STRANGE_HOST}`]);
  const agent = new Agent({ connect: { ca: certificate.cert, servername: HOST } });

  const apply = async (verb: 'install' | 'upgrade', values: Values): Promise<void> => {
    const base = join(folder, 'base.json');
    const own = join(folder, 'own.json');
    await writeFile(base, JSON.stringify(testValues));
    await writeFile(own, JSON.stringify(values));
    const given = [RELEASE, CHART, '--namespace', SYSTEM, '--values', base, '--values', own];
    await execute(helm, [verb, ...given], { env });
  };
  await cluster.apply([namespaceObject(SYSTEM, { 'pod-security.kubernetes.io/enforce': 'restricted' })]);
  // Where the namespace was kept, the gateway would start with the certificate of before.
  if ((await cluster.attempt(['get', 'namespace', DMZ])).code === 0)
    await applyCertificate(cluster, certificate);
  await apply('install', options.values ?? {});
  // The gateway waits for it.
  await applyCertificate(cluster, certificate);
  await untilAvailable(cluster, options.wait);
  const url = await gatewayUrl(cluster);
  const request: InstalledChart['request'] = (path, { method = 'GET', headers = {}, ...rest } = {}) =>
    send(new URL(path, url), {
      ...rest,
      method,
      dispatcher: agent,
      headers: { host: HOST, ...(headers as Record<string, string>) },
    });
  return {
    url,
    request,
    async preload(path, sha256) {
      const bytes = await readFile(path);
      const target = ['exec', '--stdin', '--namespace', SYSTEM, 'deployment/imageplane-model-store', '--'];
      await cluster.kubectl(
        [...target, 'node', '--input-type=module', '--eval', receiveScript(sha256)],
        bytes.toString('base64'),
      );
    },
    async firstKey(tenant) {
      const target = ['exec', '--namespace', SYSTEM, 'deployment/imageplane-api', '--'];
      const program = ['node', 'control-plane/api/ask.ts', 'first-key', '--tenant', tenant];
      const key = (await cluster.kubectl([...target, ...program])).trim();
      // The gateway learns it with its next snapshot.
      await until('the gateway knows the key', async () => {
        const answer = await request('/api/v1/me', { headers: { authorization: `Bearer ${key}` } });
        await answer.body.dump();
        return answer.statusCode !== 401;
      });
      return key;
    },
    available: (deployments) => untilAvailable(cluster, deployments),
    upgrade: (values) => apply('upgrade', values),
    async uninstall() {
      await execute(helm, ['uninstall', RELEASE, '--namespace', SYSTEM, '--wait'], { env });
      await agent.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function applyCertificate(
  cluster: TestCluster,
  { cert, key }: { cert: string; key: string },
): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const metadata = { name: TLS_SECRET, namespace: DMZ };
  const data = { 'tls.crt': base64(cert), 'tls.key': base64(key) };
  await cluster.apply([{ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata, data }]);
}

async function untilAvailable(
  cluster: TestCluster,
  deployments: readonly string[] = ['operator', 'api', 'model-store', 'postgres', 'gateway'],
): Promise<void> {
  for (const name of deployments) {
    const namespace = name === 'gateway' ? DMZ : SYSTEM;
    const waited = await cluster.attempt([
      ...['wait', '--for=condition=Available', '--timeout=180s', '--namespace', namespace],
      `deployment/imageplane-${name}`,
    ]);
    if (waited.code === 0) continue;
    const of = ['--namespace', namespace, '--selector', `app.kubernetes.io/name=${name}`];
    const pods = await cluster.attempt(['describe', 'pods', ...of]);
    const logs = await cluster.attempt(['logs', '--tail=50', ...of]);
    throw new Error(`imageplane-${name} did not become available:\n${logs.stdout}\n${pods.stdout}`);
  }
}

async function gatewayUrl(cluster: TestCluster): Promise<string> {
  const [address, port] = await Promise.all([
    cluster.kubectl([
      ...['get', 'nodes', '--output'],
      'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}',
    ]),
    cluster.kubectl(['get', 'service', 'imageplane-gateway', '--namespace', DMZ, '--output', NODE_PORT_PATH]),
  ]);
  return `https://${address}:${port}`;
}

/** Reads base64 from standard input and makes a blob of it; the store hashes it before it serves it. */
function receiveScript(sha256: string): string {
  return `
const { mkdir, rename, writeFile } = await import('node:fs/promises');
const folder = '/var/lib/imageplane/models/blobs/sha256';
await mkdir(folder, { recursive: true });
let text = '';
for await (const piece of process.stdin.setEncoding('latin1')) text += piece;
await writeFile(folder + '/${sha256}.part', Buffer.from(text, 'base64'));
await rename(folder + '/${sha256}.part', folder + '/${sha256}');
`;
}
