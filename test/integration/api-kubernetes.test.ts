import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { type Snapshot, verifySnapshot } from '../../contracts/snapshot.ts';
import { childName } from '../../contracts/workload.ts';
import type { JsonObject } from '../../crds/crd.ts';
import { type ApiServer, startApiServer } from '../apiserver/apiserver.ts';
import { installCrds, messageOfAnswer, valueAt } from '../apiserver/install-crds.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { freePorts, type RunningProgram, startProgram, until } from '../support/program.ts';

const INTERNAL = 'internal-token';
const NAMESPACE = 'tenant-demo';
const OURS = '/apis/imageplane.dev/v1alpha1';
const USAGE_INTERVAL_MS = 1_000;

/** The API on a real API server and a real Postgres. Nodes are not needed: endpoints are written as its controller does. */
describe('the API in a cluster', () => {
  let cluster: ApiServer;
  let postgres: TestPostgres;
  let folder: string;
  let api: RunningProgram;
  let ports: Record<'listen' | 'internal' | 'intake', number>;
  let snapshotKey: CryptoKey;

  const create = async (path: string, object: JsonObject): Promise<JsonObject> => {
    const answer = await cluster.request('POST', path, object);
    assert.equal(answer.status, 201, messageOfAnswer(answer));
    return answer.body as JsonObject;
  };
  const merge = async (path: string, change: JsonObject): Promise<void> => {
    const headers = { 'content-type': 'application/merge-patch+json' };
    const answer = await cluster.request('PATCH', path, change, headers);
    assert.equal(answer.status, 200, messageOfAnswer(answer));
  };
  const namespace = (name: string, labels: JsonObject): Promise<JsonObject> =>
    create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  const tenant = (name: string): Promise<JsonObject> =>
    create(`${OURS}/tenants`, {
      apiVersion: 'imageplane.dev/v1alpha1',
      kind: 'Tenant',
      metadata: { name },
      spec: { plan: 'free', groups: [{ name: 'designers', role: 'editor' }] },
    });
  const service = (name: string, where = NAMESPACE): Promise<JsonObject> =>
    create(`${OURS}/namespaces/${where}/imageservices`, {
      apiVersion: 'imageplane.dev/v1alpha1',
      kind: 'ImageService',
      metadata: { name, namespace: where },
      spec: { engine: 'onnx', modelRef: { name: 'tiny' } },
    });

  /** As the cluster's controller writes it for a Service of ours. */
  const slice = (
    name: string,
    of: string,
    endpoints: { addresses: string[]; ready?: boolean }[],
    changes: JsonObject = {},
  ): JsonObject => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: NAMESPACE,
      labels: {
        'imageplane.dev/service': of,
        'kubernetes.io/service-name': childName(of),
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      ownerReferences: [
        {
          apiVersion: 'v1',
          kind: 'Service',
          name: childName(of),
          uid: '0a2f6b1e-0000-4000-8000-000000000001',
          controller: true,
        },
      ],
      ...changes,
    },
    addressType: 'IPv4',
    endpoints: endpoints.map(({ addresses, ready = true }) => ({ addresses, conditions: { ready } })),
    ports: [{ name: 'http', port: 7860, protocol: 'TCP' }],
  });
  const slices = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;

  const snapshot = async (): Promise<Snapshot> => {
    const answer = await fetch(`http://127.0.0.1:${ports.internal}/internal/v1/snapshot`, {
      headers: { authorization: `Bearer ${INTERNAL}` },
    });
    return verifySnapshot(await answer.text(), snapshotKey);
  };
  const endpoints = async (id = 'demo/cutout'): Promise<string[] | undefined> =>
    (await snapshot()).services[id]?.endpoints;

  /** A token of a ServiceAccount that is made when it is missing. */
  const tokenOf = async (account: string, audience: string, where = NAMESPACE): Promise<string> => {
    const accounts = `/api/v1/namespaces/${where}/serviceaccounts`;
    await cluster.request('POST', accounts, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: account },
    });
    const review = await cluster.request('POST', `${accounts}/${account}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [audience], expirationSeconds: 3600 },
    });
    assert.equal(review.status, 201, messageOfAnswer(review));
    return valueAt(review.body, 'status', 'token') as string;
  };

  const event = (changes: JsonObject = {}): JsonObject => ({
    id: uuidv7(),
    tenant: 'demo',
    service: 'cutout',
    principal: 'ada',
    model: { name: 'tiny', sha256: 'a'.repeat(64) },
    route: '/v1/cutouts',
    outcome: 'succeeded',
    units: { images: 1, pixels: 2_500_000, computeMs: 1_700 },
    queueMs: 1,
    bytesIn: 1,
    bytesOut: 1,
    executionProvider: 'cpu',
    startedAt: new Date().toISOString(),
    finishedAt: new Date().toISOString(),
    ...changes,
  });
  const report = async (
    token: string,
    events: JsonObject[] = [event()],
  ): Promise<{ status: number; body: unknown }> => {
    const answer = await fetch(`http://127.0.0.1:${ports.intake}/v1/usage-events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
    });
    return { status: answer.status, body: await answer.json() };
  };

  before(async () => {
    [cluster, postgres] = await Promise.all([startApiServer(), startPostgres()]);
    await installCrds(cluster.request);
    folder = await mkdtemp(join(tmpdir(), 'imageplane-api-kubernetes-'));
    ports = await freePorts('listen', 'internal', 'intake');
    const keys = await generateKeyPair('EdDSA', { extractable: true });
    snapshotKey = keys.publicKey;
    const file = async (name: string, content: unknown): Promise<string> => {
      const path = join(folder, name);
      await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
      return path;
    };
    await tenant('demo');
    await namespace(NAMESPACE, { 'imageplane.dev/tenant': 'demo' });
    await service('cutout');
    process.env['KUBECONFIG'] = cluster.kubeconfig;
    api = await startProgram('control-plane/api/main.ts', {
      logLevel: 'info',
      listen: { host: '127.0.0.1', port: ports.listen },
      internal: { host: '127.0.0.1', port: ports.internal },
      intake: { host: '127.0.0.1', port: ports.intake },
      database: {
        host: postgres.host,
        port: postgres.port,
        database: postgres.database,
        user: postgres.owner.user,
        passwordFile: await file('password', postgres.owner.password),
      },
      objects: { kubernetes: { usageIntervalSeconds: USAGE_INTERVAL_MS / 1000 } },
      assertionJwks: await file('jwks.json', {
        keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'EdDSA' }],
      }),
      snapshotKey: await file('snapshot.json', await exportJWK(keys.privateKey)),
      internalTokenFile: await file('internal', INTERNAL),
    });
  });
  after(async () => {
    assert.equal(await api.stop(), 0, api.log());
    await Promise.all([cluster.stop(), postgres.stop()]);
    await rm(folder, { recursive: true, force: true });
    Reflect.deleteProperty(process.env, 'KUBECONFIG');
  });

  it('publishes what is declared, with its defaults', async () => {
    const { tenants, services } = await snapshot();
    assert.deepEqual(tenants['demo']?.limits.requestsPerMinute, 10);
    assert.equal(services['demo/cutout']?.unavailable, 'Nothing answers for it yet.');
    assert.deepEqual(Object.keys(services), ['demo/cutout']);
  });

  it('sends calls to the pods that are ready, and follows them as they come and go', async () => {
    await create(
      slices,
      slice('a', 'cutout', [
        { addresses: ['10.244.0.9'] },
        { addresses: ['10.244.0.7'] },
        { addresses: ['10.244.0.8'], ready: false },
      ]),
    );
    await until('both are there', async () => (await endpoints())?.length === 2);
    assert.deepEqual(await endpoints(), ['http://10.244.0.7:7860', 'http://10.244.0.9:7860']);
    assert.equal((await snapshot()).services['demo/cutout']?.unavailable, undefined);
    await merge(`${slices}/a`, {
      endpoints: [{ addresses: ['10.244.0.7'], conditions: { ready: false } }],
    });
    await until('none is left', async () => (await endpoints())?.length === 0);
    assert.equal((await snapshot()).services['demo/cutout']?.unavailable, 'Nothing answers for it yet.');
  });

  it('is not led astray by endpoints that no Service of the cluster’s own controller has', async () => {
    const forged: [string, JsonObject][] = [
      ['no-owner', { ownerReferences: [] }],
      ['by-hand', { labels: { 'imageplane.dev/service': 'cutout' } }],
    ];
    for (const [name, changes] of forged)
      await create(slices, slice(name, 'cutout', [{ addresses: ['192.0.2.1'] }], changes));
    await create(slices, slice('good', 'cutout', [{ addresses: ['10.244.0.5'] }]));
    await until('the good one is there', async () => (await endpoints())?.length === 1);
    assert.deepEqual(await endpoints(), ['http://10.244.0.5:7860']);
  });

  it('takes no service from a namespace that only says that it is a tenant’s', async () => {
    await namespace('impostor', { 'imageplane.dev/tenant': 'demo' });
    await namespace('tenant-plain', {});
    await service('forged', 'impostor');
    await service('forged', 'tenant-plain');
    await tenant('other');
    await until('the new tenant is known', async () => (await snapshot()).tenants['other'] !== undefined);
    assert.deepEqual(Object.keys((await snapshot()).services), ['demo/cutout']);
    await namespace('tenant-other', { 'imageplane.dev/tenant': 'other' });
    await service('mine', 'tenant-other');
    await until('its service is known', async () => (await endpoints('other/mine')) !== undefined);
    const path = `${OURS}/namespaces/tenant-other/imageservices/mine`;
    assert.equal((await cluster.request('DELETE', path)).status, 200);
    await until('it is gone', async () => (await endpoints('other/mine')) === undefined);
  });

  it('counts usage of the service whose account’s token brings it, and only that', async () => {
    const token = await tokenOf(childName('cutout'), 'imageplane-usage');
    assert.deepEqual(await report(token), {
      status: 200,
      body: { accepted: 1, duplicates: 0, rejected: [] },
    });
    const foreign = await report(token, [event({ tenant: 'other' }), event({ service: 'page' })]);
    assert.equal((foreign.body as { rejected: unknown[] }).rejected.length, 2);
    const refused = [
      ['a token for another audience', await tokenOf(childName('cutout'), 'https://kubernetes.default.svc')],
      ['an account that is no service’s', await tokenOf('default-like', 'imageplane-usage')],
      [
        'a namespace that is no tenant’s',
        await tokenOf(childName('cutout'), 'imageplane-usage', 'tenant-plain'),
      ],
      [
        'a namespace that only says that it is',
        await tokenOf(childName('cutout'), 'imageplane-usage', 'impostor'),
      ],
      ['no token of the cluster', 'x.y.z'],
      ['an altered one', `${token.slice(0, -4)}AAAA`],
    ] as const;
    for (const [what, given] of refused) assert.equal((await report(given)).status, 401, what);
  });

  it('writes usage into the Tenant’s status, beside what others write there, and rests when nothing changes', async () => {
    const status = `${OURS}/tenants/demo/status`;
    const conditions = [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Provisioned',
        message: 'All there.',
        lastTransitionTime: new Date().toISOString(),
      },
    ];
    await cluster.request(
      'PATCH',
      `${status}?fieldManager=imageplane-tenant`,
      {
        apiVersion: 'imageplane.dev/v1alpha1',
        kind: 'Tenant',
        metadata: { name: 'demo' },
        status: { conditions },
      },
      { 'content-type': 'application/apply-patch+yaml' },
    );
    const token = await tokenOf(childName('cutout'), 'imageplane-usage');
    await report(token, [event(), event()]);
    const read = async (): Promise<JsonObject> => (await cluster.request('GET', status)).body as JsonObject;
    await until(
      'the sum of three is there',
      async () => valueAt(await read(), 'status', 'usage', 'month', 'computeSeconds') === 5,
    );
    const today = new Date().toISOString().slice(0, 10);
    const object = await read();
    assert.deepEqual(valueAt(object, 'status', 'usage', 'day'), {
      period: today,
      requests: 3,
      megapixels: 7,
      computeSeconds: 5,
    });
    assert.equal(valueAt(object, 'status', 'usage', 'month', 'period'), today.slice(0, 7));
    assert.equal(valueAt(object, 'status', 'conditions', 0, 'reason'), 'Provisioned');
    const managed = valueAt(object, 'metadata', 'managedFields') as unknown as {
      manager: string;
      fieldsV1: { 'f:status'?: object };
    }[];
    const own = managed.filter(({ manager }) => manager === 'imageplane-usage');
    assert.deepEqual(
      own.map(({ fieldsV1 }) => [Object.keys(fieldsV1), Object.keys(fieldsV1['f:status'] ?? {})]),
      [[['f:status'], ['f:usage']]],
    );
    // Several intervals go by without a write.
    const { resourceVersion } = object['metadata'] as { resourceVersion: string };
    await new Promise((resolve) => setTimeout(resolve, 4 * USAGE_INTERVAL_MS));
    assert.equal(valueAt(await read(), 'metadata', 'resourceVersion'), resourceVersion);
  });

  it('goes on with what it knows while the API server is away, and asks again for usage it cannot place', async () => {
    const known = await tokenOf(childName('cutout'), 'imageplane-usage');
    assert.equal((await report(known)).status, 200);
    const fresh = await tokenOf(childName('cutout'), 'imageplane-usage');
    await cluster.stop();
    assert.equal((await report(known)).status, 200);
    const later = await report(fresh);
    assert.deepEqual(
      [later.status, valueAt(later.body as JsonObject, 'error', 'code')],
      [503, 'token_review_unavailable'],
    );
    assert.ok((await snapshot()).tenants['demo'] !== undefined);
  });
});
