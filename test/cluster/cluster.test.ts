import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair } from 'jose';
import sharp from 'sharp';
import { v7 as newUuid } from 'uuid';
import { tinyGraph } from '../support/onnx.ts';
import { signAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import { allBinaries, buildSeconds, ensureBinaries, printProgress } from './binaries.ts';
import { takeDown } from './down.ts';
import { type Footprint, differences, footprint, namespacesOf, processesIn } from './footprint.ts';
import { imageName, productImages } from './images.ts';
import { layoutOf } from './layout.ts';
import { ensureClusterPackages, ensureImagePackages } from './requirements.ts';
import { readProcesses } from './state.ts';
import { statusOf } from './status.ts';
import {
  type TestCluster,
  foreignKubeconfig,
  namespaceObject,
  openTestCluster,
  restricted,
  scriptPod,
  serviceObject,
} from './testing.ts';

const NAME = 'test-life';
const layout = layoutOf(NAME);
const NAMESPACE = 'tenant-acme';
const TARGET = '/v1/cutouts';

/** An inference server with a tiny model, as the operator would run it: not root, nothing to write on. */
async function inferenceServer(publicKey: CryptoKey): Promise<unknown[]> {
  const graph = tinyGraph({ width: 8, height: 8 });
  const model = {
    name: 'tiny',
    family: 'tiny',
    task: 'background-removal',
    files: [
      {
        name: 'model.onnx',
        path: '/etc/imageplane/model.onnx',
        sha256: createHash('sha256').update(graph).digest('hex'),
        size: graph.length,
      },
    ],
    pipeline: { size: { width: 8, height: 8 }, mean: [0.5, 0.5, 0.5], std: [1, 1, 1] },
  };
  const config = {
    listen: { host: '0.0.0.0', port: 7860 },
    metrics: { host: '0.0.0.0', port: 9090 },
    tenant: 'acme',
    service: 'cutout',
    assertion: { mode: 'required', jwks: '/etc/imageplane/jwks.json' },
    models: [model],
    usage: {
      url: 'http://127.0.0.1:9/v1/usage-events',
      tokenFile: '/etc/imageplane/token',
      outbox: '/outbox',
    },
  };
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'EdDSA' }] };
  const configMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'cutout', namespace: NAMESPACE },
    data: { 'config.json': JSON.stringify(config), 'jwks.json': JSON.stringify(jwks), token: 'none' },
    binaryData: { 'model.onnx': Buffer.from(graph).toString('base64') },
  };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'cutout', namespace: NAMESPACE, labels: { app: 'cutout' } },
    spec: {
      terminationGracePeriodSeconds: 1,
      automountServiceAccountToken: false,
      containers: [
        {
          name: 'inference-server',
          image: imageName('inference-server'),
          imagePullPolicy: 'Never',
          ports: [{ containerPort: 7860 }, { containerPort: 9090 }],
          readinessProbe: { httpGet: { path: '/readyz', port: 9090 }, periodSeconds: 1 },
          resources: { limits: { cpu: '1', memory: '1Gi', 'nvidia.com/mig-1g.10gb': '1' } },
          securityContext: restricted,
          volumeMounts: [
            { name: 'configuration', mountPath: '/etc/imageplane', readOnly: true },
            { name: 'outbox', mountPath: '/outbox' },
            { name: 'temporary', mountPath: '/tmp' },
          ],
        },
      ],
      volumes: [
        { name: 'configuration', configMap: { name: 'cutout' } },
        { name: 'outbox', emptyDir: {} },
        { name: 'temporary', emptyDir: {} },
      ],
    },
  };
  const service = serviceObject(NAMESPACE, 'cutout', { http: 7860, metrics: 9090 });
  return [namespaceObject(NAMESPACE), configMap, pod, service];
}

/** Asks both ports of the service by its name, as a neighbour would: ready, with and without a gateway's assertion. */
function askScript(assertion: string, picture: Buffer): string {
  return `
const base = 'http://cutout.${NAMESPACE}.svc.cluster.local';
// A Service's rules follow its pod's readiness a moment later.
let ready;
for (const until = Date.now() + 20_000; ready === undefined; ) {
  try {
    ready = await fetch(base + ':9090/readyz');
  } catch (error) {
    if (Date.now() > until) throw error;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
const send = async (headers) => {
  const body = new FormData();
  body.set('file', new Blob([Buffer.from('${picture.toString('base64')}', 'base64')]), 'picture.png');
  return fetch(base + ':7860${TARGET}', { method: 'POST', headers, body });
};
const refused = await send({});
const cutout = await send({ '${header.assertion}': '${assertion}' });
const bytes = await cutout.arrayBuffer();
console.log(JSON.stringify({
  ready: ready.status, refused: refused.status, cutout: cutout.status,
  picture: Buffer.from(bytes).toString('base64'),
}));
`;
}

async function serveOnce(cluster: TestCluster): Promise<void> {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
  await cluster.apply(await inferenceServer(publicKey));
  await cluster.apply([scriptPod('default', 'neighbour', 'setInterval(() => {}, 1000)')]);
  const wait = ['wait', '--for=condition=Ready', '--timeout=90s', 'pod'];
  await cluster.kubectl([...wait, 'neighbour']);
  const waited = await cluster.attempt([...wait, '--namespace', NAMESPACE, 'cutout']);
  if (waited.code !== 0) {
    const log = await cluster.attempt(['logs', '--namespace', NAMESPACE, 'cutout']);
    const description = await cluster.attempt(['describe', 'pod', '--namespace', NAMESPACE, 'cutout']);
    assert.fail(`The inference server did not become ready:\n${log.stdout}\n${description.stdout}`);
  }
  const principal = {
    id: 'user:ada',
    tenant: 'acme',
    kind: 'user',
    name: 'Ada',
    department: '',
    role: 'developer',
  } as const;
  const claims = { aud: 'acme/cutout', jti: newUuid(), htm: 'POST', htu: TARGET, principal };
  const assertion = signAssertion(claims, { kid: 'k1', privateKey }, new Date());
  const answer = JSON.parse(
    await cluster.runIn('default', 'neighbour', askScript(assertion, await picture())),
  ) as {
    ready: number;
    refused: number;
    cutout: number;
    picture: string;
  };
  assert.deepEqual([answer.ready, answer.refused, answer.cutout], [200, 401, 200]);
  const { format, width, height, hasAlpha } = await sharp(Buffer.from(answer.picture, 'base64')).metadata();
  assert.deepEqual(
    { format, width, height, hasAlpha },
    { format: 'png', width: 24, height: 16, hasAlpha: true },
  );
}

/** Each image holds all that its program imports: it gets as far as asking for its configuration. */
async function startEachImage(cluster: TestCluster): Promise<void> {
  const pods = productImages.map((image) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `bare-${image}`, namespace: 'default' },
    spec: {
      restartPolicy: 'Never',
      containers: [
        { name: 'program', image: imageName(image), imagePullPolicy: 'Never', securityContext: restricted },
      ],
    },
  }));
  await cluster.apply(pods);
  for (const image of productImages) {
    const ended = ['wait', '--for=jsonpath={.status.phase}=Failed', '--timeout=90s', 'pod', `bare-${image}`];
    await cluster.kubectl(ended);
    assert.match(await cluster.kubectl(['logs', `bare-${image}`]), /\/etc\/imageplane\/config\.json/);
  }
}

async function picture(): Promise<Buffer> {
  const background = { r: 200, g: 40, b: 90 };
  return sharp({ create: { width: 24, height: 16, channels: 3, background } })
    .png()
    .toBuffer();
}

/** Takes down whatever an interrupted run has left. */
async function clear(): Promise<void> {
  for (const name of [NAME, `${NAME}-2`]) await takeDown(layoutOf(name));
}

describe('A cluster from its start to its end', { skip: foreignKubeconfig !== undefined }, () => {
  let untouched: Footprint;
  before(async () => {
    await ensureClusterPackages(console.error);
    await ensureImagePackages(console.error);
    await ensureBinaries(allBinaries, { onProgress: printProgress });
    await clear();
    untouched = await footprint(layout.state);
  });
  afterEach(clear);

  for (const round of ['first', 'second']) {
    it(`serves our inference server's image by a Service name and leaves nothing, the ${round} time`, async (context) => {
      const cluster = await openTestCluster(NAME, {
        images: round === 'first' ? productImages : ['inference-server'],
        gpus: 4,
        mig: { '1g.10gb': 2 },
      });
      const processes = await readProcesses(layout);
      const namespaces = await namespacesOf(processes['first-process']?.pid ?? 0);
      await serveOnce(cluster);
      if (round === 'first') await startEachImage(cluster);
      const status = await statusOf(layout);
      assert.ok(status.ready);
      const { start, images } = cluster.measures;
      const megabytes = Math.round(status.peakMemory / 1024 / 1024);
      const built = Object.entries(await buildSeconds()).map(([step, seconds]) => `${step} ${seconds} s`);
      context.diagnostic(`ready after ${start} s, images ${images} s, peak memory ${megabytes} MiB`);
      context.diagnostic(`builds in the cache took: ${built.join(', ')}`);
      await cluster.close();
      assert.deepEqual(differences(untouched, await footprint(layout.state)), []);
      assert.deepEqual(await processesIn(namespaces), []);
    });
  }

  it('keeps running, unharmed, while another one beside it comes and goes', async () => {
    const first = await openTestCluster(NAME);
    const second = await openTestCluster(`${NAME}-2`);
    const server = ['get', 'nodes', '--output', 'jsonpath={.items[0].status.addresses[0].address}'];
    assert.notEqual(await first.kubectl(server), await second.kubectl(server));
    await second.close();
    assert.ok((await statusOf(layout)).ready);
    assert.match(await first.kubectl(['get', 'nodes']), /node-1\s+Ready/);
    await first.close();
    assert.deepEqual(differences(untouched, await footprint(layout.state)), []);
  });
});
