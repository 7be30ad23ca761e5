import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { childName } from '../../contracts/workload.ts';
import { inferenceServerConfig } from '../../inference-server/config.ts';
import type { Deployment, KindName, NetworkPolicy, Pod, Secret } from '../../operator/kinds.ts';
import {
  type Conditioned,
  type Loose,
  openOperatorWorld,
  type OperatorWorld,
} from '../support/operator-world.ts';
import { until } from '../support/program.ts';

const IMAGEPLANE = 'imageplane.dev/v1alpha1';
const SECOND_MS = 5_000;

let world: OperatorWorld;
before(async () => {
  world = await openOperatorWorld({
    sharedSecrets: [{ name: 'registry', use: 'registry' }],
    publicUrl: 'https://images.example.org/',
  });
  await makeSecret('first');
  for (const file of [
    'models/isnet-medium.yaml',
    'models/isnet-small.yaml',
    'examples/tenant.yaml',
    'examples/service.yaml',
  ])
    await applyFile(file);
});
after(async () => {
  await world.close();
});

async function makeSecret(token: string): Promise<void> {
  await world.apply('secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'registry', namespace: world.config.systemNamespace },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { token } })).toString('base64') },
  });
}

const kindOf: Record<string, KindName> = {
  Tenant: 'tenants',
  ImageService: 'imageServices',
  ImageModel: 'imageModels',
  ClusterImageModel: 'clusterImageModels',
};

/** As `kubectl apply -f`: what needs a namespace waits until there is one. */
async function applyFile(path: string): Promise<void> {
  const text = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
  for (const document of parseAllDocuments(text)) {
    const object = document.toJS() as Loose;
    const { namespace } = object.metadata;
    if (namespace !== undefined) await namespaceThere(namespace);
    await world.apply(kindOf[object.kind] ?? 'tenants', object);
  }
}

async function namespaceThere(name: string): Promise<void> {
  await until(
    `the namespace ${name}`,
    async () => (await world.get('namespaces', undefined, name)) !== undefined,
  );
}

async function makeTenant(name: string, spec: Record<string, unknown> = {}): Promise<string> {
  await world.apply('tenants', { apiVersion: IMAGEPLANE, kind: 'Tenant', metadata: { name }, spec });
  await world.reason('tenants', undefined, name, 'Provisioned');
  return `tenant-${name}`;
}

async function makeService(namespace: string, name: string, spec: Record<string, unknown>): Promise<void> {
  const metadata = { name, namespace };
  await world.apply('imageServices', { apiVersion: IMAGEPLANE, kind: 'ImageService', metadata, spec });
}

const onnx = { engine: 'onnx', modelRef: { name: 'isnet-general-fp16' } };
const container = { engine: 'container', container: { image: 'registry.example/team/page:1' } };

/** Versions of everything of a tenant, by kind and name. */
async function versionsOf(namespace: string): Promise<Record<string, string>> {
  const versions: Record<string, string> = {};
  const kinds: KindName[] = [
    'imageServices',
    'imageModels',
    'configMaps',
    'secrets',
    'serviceAccounts',
    'resourceQuotas',
    'limitRanges',
    'services',
    'deployments',
    'networkPolicies',
    'roleBindings',
    'podDisruptionBudgets',
  ];
  for (const kind of kinds)
    for (const { metadata } of await world.list(kind, namespace))
      versions[`${kind}/${metadata.name}`] = metadata.resourceVersion ?? '';
  for (const kind of ['tenants', 'clusterImageModels', 'namespaces'] as const)
    for (const { metadata } of await world.list(kind))
      versions[`${kind}/${metadata.name}`] = metadata.resourceVersion ?? '';
  return versions;
}

async function reconciles(controller: string): Promise<number> {
  const text = await world.operator().registry.metrics();
  const lines = text.split('\n').filter((line) => line.startsWith('controller_runtime_reconcile_total{'));
  return lines
    .filter((line) => line.includes(`controller="${controller}"`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Until nothing changes any more, by the versions of everything. */
async function settled(namespace: string): Promise<Record<string, string>> {
  let last = '';
  let same = 0;
  await until('nothing changes any more', async () => {
    const now = JSON.stringify(await versionsOf(namespace));
    same = now === last ? same + 1 : 0;
    last = now;
    return same >= 5;
  });
  return JSON.parse(last) as Record<string, string>;
}

describe('The operator, on a real API server', () => {
  it('makes of the examples a tenant with walls and a service with pods to come', async () => {
    await world.reason('tenants', undefined, 'demo', 'Provisioned');
    await world.reason('imageServices', 'tenant-demo', 'cutout', 'Starting');
    const child = childName('cutout');
    const namespace = await world.get('namespaces', undefined, 'tenant-demo');
    assert.equal(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
    assert.equal(namespace.metadata.ownerReferences?.[0]?.kind, 'Tenant');
    const deny = await world.get<NetworkPolicy>('networkPolicies', 'tenant-demo', 'imageplane-default-deny');
    assert.deepEqual(deny?.spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    const copy = await world.get<Secret>('secrets', 'tenant-demo', 'imageplane-copy-registry');
    assert.equal(copy?.type, 'kubernetes.io/dockerconfigjson');
    const config = await world.get('configMaps', 'tenant-demo', child);
    const text = (config?.['data'] as Record<string, string>)['config.json'] ?? '';
    assert.equal(inferenceServerConfig.parse(JSON.parse(text)).tenant, 'demo');
    const deployment = await world.get<Deployment>('deployments', 'tenant-demo', child);
    assert.deepEqual(deployment?.spec.template.spec?.imagePullSecrets, [
      { name: 'imageplane-copy-registry' },
    ]);
    for (const kind of ['services', 'serviceAccounts', 'networkPolicies', 'podDisruptionBudgets'] as const)
      assert.ok(await world.get(kind, 'tenant-demo', child), `${kind} ${child}`);
  });

  it('says Ready when the pods are, with url, digest, counts and a selector that scaling can use', async () => {
    await world.rollOut('tenant-demo', 'cutout');
    await world.reason('imageServices', 'tenant-demo', 'cutout', 'Serving');
    const service = await world.get<Conditioned>('imageServices', 'tenant-demo', 'cutout');
    const { conditions, modelDigest, ...status } = service?.status ?? {};
    assert.match(String(modelDigest), /^[0-9a-f]{64}$/);
    assert.deepEqual(status, {
      observedGeneration: service?.metadata.generation,
      url: 'https://images.example.org/s/demo/cutout',
      replicas: 1,
      readyReplicas: 1,
      selector: 'imageplane.dev/service=cutout,imageplane.dev/tenant=demo',
    });
    assert.deepEqual(
      conditions?.map(({ type, status: is }) => `${type}=${is}`),
      ['Ready=True', 'Reconciling=False', 'Stalled=False'],
    );
    const scale = await world.server.request(
      'GET',
      `/apis/${IMAGEPLANE}/namespaces/tenant-demo/imageservices/cutout/scale`,
    );
    assert.equal(scale.status, 200);
    await until('the model knows its users', async () => {
      const model = await world.get<Conditioned>('clusterImageModels', undefined, 'isnet-general-fp16');
      return model?.status?.['services'] === 1;
    });
    const message = await world.reason('clusterImageModels', undefined, 'isnet-general-fp16', 'Declared');
    assert.match(message, /Used by tenant-demo\/cutout\./);
  });

  it('writes nothing when nothing has to change, however often it looks, and after a restart', async () => {
    const first = await settled('tenant-demo');
    const before = await reconciles('image-service');
    const tenants = await reconciles('tenant');
    // Annotations of somebody else wake it and are no reason to write.
    await world.patch('imageServices', 'tenant-demo', 'cutout', { metadata: { annotations: { note: 'x' } } });
    await world.patch('tenants', undefined, 'demo', { metadata: { annotations: { note: 'x' } } });
    await until('it has looked', async () => (await reconciles('image-service')) > before);
    await until('it has looked at the tenant', async () => (await reconciles('tenant')) > tenants);
    const second = await settled('tenant-demo');
    const changed = Object.keys(second).filter((name) => first[name] !== second[name]);
    assert.deepEqual(changed.sort(), ['imageServices/cutout', 'tenants/demo']);
    await world.restart();
    await until('it has looked at everything', async () => (await reconciles('cluster-image-model')) >= 2);
    await until('it has looked at the service', async () => (await reconciles('image-service')) >= 1);
    assert.deepEqual(await settled('tenant-demo'), second);
  });

  it('puts back what somebody changed, added or deleted by hand, within five seconds', async () => {
    const child = childName('cutout');
    const open = { ingress: [{ ports: [{ port: 7860 }] }], podSelector: { matchLabels: { a: 'b' } } };
    const edits: [KindName, string, unknown][] = [
      ['networkPolicies', child, { spec: open }],
      ['networkPolicies', 'imageplane-default-deny', { spec: open }],
      [
        'networkPolicies',
        'imageplane-default-deny',
        { metadata: { labels: { 'app.kubernetes.io/managed-by': null } } },
      ],
      ['resourceQuotas', 'imageplane-quota', { spec: { hard: { pods: '9999', 'requests.cpu': '1' } } }],
      ['configMaps', child, { data: { 'config.json': '{}', more: 'x' } }],
      ['services', child, { spec: { selector: { more: 'x' } } }],
      ['serviceAccounts', child, { automountServiceAccountToken: true }],
      ['secrets', 'imageplane-copy-registry', { data: { more: 'eA==' } }],
    ];
    for (const [kind, name, edit] of edits) {
      const wanted = await world.get(kind, 'tenant-demo', name);
      await world.patch(kind, 'tenant-demo', name, edit);
      await until(
        `${kind} ${name} is put back`,
        async () => bodyOf(await world.get(kind, 'tenant-demo', name)) === bodyOf(wanted),
        SECOND_MS,
      );
    }
    for (const kind of ['networkPolicies', 'services', 'podDisruptionBudgets', 'deployments'] as const) {
      const uid = (await world.get(kind, 'tenant-demo', child))?.metadata.uid;
      await world.remove(kind, 'tenant-demo', child);
      const back = async (): Promise<boolean> => {
        const found = await world.get(kind, 'tenant-demo', child);
        return found !== undefined && found.metadata.uid !== uid;
      };
      await until(`${kind} ${child} is back`, back, SECOND_MS);
    }
  });

  it('removes a container that somebody adds to the pods, and does not touch what autoscaling scales', async () => {
    const namespace = await makeTenant('scaling');
    await makeService(namespace, 'auto', { ...container, autoscaling: { minReplicas: 1, maxReplicas: 5 } });
    const child = childName('auto');
    await world.reason('imageServices', namespace, 'auto', 'Starting');
    await world.patch('deployments', namespace, child, { spec: { replicas: 4 } });
    const deployment = await world.get<Deployment>('deployments', namespace, child);
    const containers = [
      ...(deployment?.spec.template.spec?.containers ?? []),
      { name: 'spy', image: 'registry.example/spy:1' },
    ];
    await world.patch('deployments', namespace, child, { spec: { template: { spec: { containers } } } });
    const now = async (): Promise<Deployment | undefined> =>
      world.get<Deployment>('deployments', namespace, child);
    await until(
      'the other container is gone',
      async () => (await now())?.spec.template.spec?.containers.length === 1,
      SECOND_MS,
    );
    assert.equal((await now())?.spec.replicas, 4);
  });

  it('copies a rotated Secret, and keeps tenants apart', async () => {
    const other = await makeTenant('other', { groups: [{ name: 'others', role: 'developer' }] });
    await makeService(other, 'page', container);
    await world.reason('imageServices', other, 'page', 'Starting');
    const before = await settled(other);
    await world.patch('tenants', undefined, 'demo', { spec: { quota: { services: 7 } } });
    await until('the quota follows', async () => {
      const quota = await world.get('resourceQuotas', 'tenant-demo', 'imageplane-quota');
      return (quota?.spec?.['hard'] as Record<string, string>)['count/imageservices.imageplane.dev'] === '7';
    });
    const apart = await settled(other);
    const changed = Object.keys(apart).filter((name) => before[name] !== apart[name]);
    assert.deepEqual(changed, ['tenants/demo']);
    await makeSecret('second');
    for (const namespace of [other, 'tenant-demo'])
      await until(`the Secret of ${namespace} follows`, async () => {
        const copy = await world.get<Secret>('secrets', namespace, 'imageplane-copy-registry');
        return Buffer.from(copy?.data?.['.dockerconfigjson'] ?? '', 'base64')
          .toString()
          .includes('second');
      });
  });

  it('binds developers and viewers by their groups, and nobody else', async () => {
    const groups = [
      { name: 'devs', role: 'developer' },
      { name: 'admins', role: 'tenant-admin' },
      { name: 'guests', role: 'guest' },
      { name: 'system:authenticated', role: 'developer' },
    ];
    const namespace = await makeTenant('people', { groups });
    const [binding, ...others] = await world.list('roleBindings', namespace);
    assert.deepEqual(others, []);
    assert.deepEqual(
      (binding?.['subjects'] as { name: string }[]).map(({ name }) => name),
      ['admins', 'devs'],
    );
    const developer = await world.server.addUser('dev', ['devs']);
    const path = `/apis/${IMAGEPLANE}/namespaces/${namespace}/imageservices`;
    assert.equal((await developer.request('GET', path)).status, 200);
    await world.patch('tenants', undefined, 'people', { spec: { groups: [] } });
    await until('nobody is bound', async () => (await world.list('roleBindings', namespace)).length === 0);
  });

  it('adopts a namespace that carries the label, refuses one that does not, and one that another tenant has', async () => {
    const make = (name: string, labels = {}): Promise<Loose> =>
      world.apply('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    await make('team-a');
    await world.apply('tenants', {
      apiVersion: IMAGEPLANE,
      kind: 'Tenant',
      metadata: { name: 'adopting' },
      spec: { namespace: 'team-a' },
    });
    const message = await world.reason('tenants', undefined, 'adopting', 'NamespaceNotAdopted');
    assert.match(message, /kubectl label namespace team-a imageplane.dev\/tenant=adopting/);
    assert.deepEqual(await world.list('networkPolicies', 'team-a'), []);
    await make('team-a', { 'imageplane.dev/tenant': 'adopting' });
    await world.reason('tenants', undefined, 'adopting', 'Provisioned');
    const namespace = await world.get('namespaces', undefined, 'team-a');
    assert.equal(namespace?.metadata.ownerReferences, undefined);
    assert.equal(namespace?.metadata.labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
    await world.apply('tenants', {
      apiVersion: IMAGEPLANE,
      kind: 'Tenant',
      metadata: { name: 'rival' },
      spec: { namespace: 'team-a' },
    });
    await world.reason('tenants', undefined, 'rival', 'NamespaceTaken', 'Stalled');
  });

  describe('gives each failure its reason and the next action', () => {
    let namespace = '';
    before(async () => {
      namespace = await makeTenant('failing', {
        models: { allowed: ['isnet-general-fp16', 'gone', 'terms'] },
      });
    });
    const terminated = (exitCode: number, message: string): Pod['status'] => ({
      phase: 'Pending',
      initContainerStatuses: [
        status(
          'fetch-model',
          { waiting: { reason: 'CrashLoopBackOff' } },
          { terminated: { exitCode, message } },
        ),
      ],
    });
    const status = (name: string, state: object, lastState: object = {}): never =>
      ({
        name,
        image: 'registry.example/x:1',
        imageID: '',
        ready: false,
        restartCount: 3,
        state,
        lastState,
      }) as never;
    const running = (state: object, lastState: object = {}): Pod['status'] => ({
      phase: 'Running',
      containerStatuses: [status('service', state, lastState)],
    });
    const gpu = '0/1 nodes are available: 1 Insufficient nvidia.com/gpu.';
    const cases: [string, string, Record<string, unknown>, Pod['status'], RegExp][] = [
      [
        'a wrong digest',
        'ModelDigestMismatch',
        onnx,
        terminated(3, JSON.stringify({ reason: 'DigestMismatch', message: 'Other bytes.' })),
        /sha256.*Other bytes/,
      ],
      [
        'weights that are not there',
        'ModelFileMissing',
        onnx,
        terminated(4, JSON.stringify({ reason: 'NotFound', message: 'No blob.' })),
        /source of the model/,
      ],
      [
        'no GPU',
        'GPUUnavailable',
        { ...container, gpu: {} },
        {
          phase: 'Pending',
          conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: gpu }],
        },
        /add a node/,
      ],
      [
        'an image that does not exist',
        'ImageUnavailable',
        container,
        running({ waiting: { reason: 'ImagePullBackOff', message: 'not found' } }),
        /name or tag/,
      ],
      [
        'a crash loop',
        'CrashLoop',
        container,
        running(
          { waiting: { reason: 'CrashLoopBackOff' } },
          { terminated: { exitCode: 7, message: 'no such module' } },
        ),
        /exit code 7.*no such module.*--previous/,
      ],
      [
        'an image that runs as root',
        'ImageRunsAsRoot',
        container,
        running({
          waiting: {
            reason: 'CreateContainerConfigError',
            message: 'container has runAsNonRoot and image will run as root',
          },
        }),
        /USER 1000/,
      ],
    ];
    for (const [index, [what, reason, spec, podStatus, says]] of cases.entries())
      it(what, async () => {
        const name = `failing-${index}`;
        await makeService(namespace, name, spec);
        await world.runPod(namespace, name, podStatus);
        assert.match(await world.reason('imageServices', namespace, name, reason, 'Stalled'), says);
        await world.reason('imageServices', namespace, name, reason);
      });

    it('a quota without room', async () => {
      await makeService(namespace, 'quota', container);
      const message =
        'pods "x" is forbidden: exceeded quota: imageplane-quota, requested: requests.memory=2Gi';
      const conditions = [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message }];
      await world.runPod(namespace, 'quota', {}, { conditions });
      assert.match(
        await world.reason('imageServices', namespace, 'quota', 'QuotaExceeded', 'Stalled'),
        /spec.quota/,
      );
    });

    it('a model that does not exist, which heals when it does', async () => {
      await makeService(namespace, 'missing', { engine: 'onnx', modelRef: { name: 'gone' } });
      await world.reason('imageServices', namespace, 'missing', 'ModelMissing', 'Stalled');
      assert.equal(await world.get('deployments', namespace, childName('missing')), undefined);
      await cloneModel('gone', {});
      await world.reason('imageServices', namespace, 'missing', 'Starting');
    });

    it('a model that the tenant may not use, also while it runs', async () => {
      await makeService(namespace, 'forbidden', { engine: 'onnx', modelRef: { name: 'isnet-general-int8' } });
      const message = await world.reason(
        'imageServices',
        namespace,
        'forbidden',
        'ModelNotAllowed',
        'Stalled',
      );
      assert.match(message, /spec.models.allowed/);
      assert.equal(await world.get('deployments', namespace, childName('forbidden')), undefined);
      await makeService(namespace, 'allowed', onnx);
      await world.rollOut(namespace, 'allowed');
      await world.reason('imageServices', namespace, 'allowed', 'Serving');
      await world.patch('tenants', undefined, 'failing', {
        spec: { models: { allowed: ['gone', 'terms'] } },
      });
      await world.reason('imageServices', namespace, 'allowed', 'ModelNotAllowed', 'Stalled');
      assert.equal(await world.get('deployments', namespace, childName('allowed')), undefined);
    });

    it('a licence that nobody accepted, until somebody does', async () => {
      await cloneModel('terms', { commercialUse: false, acknowledgementRequired: true });
      await makeService(namespace, 'terms', { engine: 'onnx', modelRef: { name: 'terms' } });
      const message = await world.reason(
        'imageServices',
        namespace,
        'terms',
        'LicenceNotAcknowledged',
        'Stalled',
      );
      const [, key = '', value = ''] = /annotate tenant failing (\S+)=(\S+)/.exec(message) ?? [];
      await world.patch('tenants', undefined, 'failing', { metadata: { annotations: { [key]: value } } });
      await world.reason('imageServices', namespace, 'terms', 'Starting');
    });

    it('a paused tenant, whose services stop and start again', async () => {
      const paused = await makeTenant('paused');
      await makeService(paused, 'page', container);
      await world.rollOut(paused, 'page');
      await world.reason('imageServices', paused, 'page', 'Serving');
      const set = (value: string | null): Promise<void> =>
        world.patch('tenants', undefined, 'paused', {
          metadata: { annotations: { 'imageplane.dev/paused': value } },
        });
      await set('true');
      await world.reason('imageServices', paused, 'page', 'TenantPaused', 'Stalled');
      assert.equal(await world.get('deployments', paused, childName('page')), undefined);
      await set(null);
      await until(
        'the Deployment is back',
        async () => (await world.get('deployments', paused, childName('page'))) !== undefined,
      );
    });

    async function cloneModel(name: string, license: Record<string, unknown>): Promise<void> {
      const model = await world.get('clusterImageModels', undefined, 'isnet-general-fp16');
      const spec = {
        ...model?.spec,
        license: { spdx: 'MIT', commercialUse: true, source: 'somebody', ...license },
      };
      await world.apply('clusterImageModels', {
        apiVersion: IMAGEPLANE,
        kind: 'ClusterImageModel',
        metadata: { name },
        spec,
      });
    }
  });

  it('deletes of a service its pods first and its policy last, and leaves nothing of ours', async () => {
    const namespace = await makeTenant('leaving');
    await makeService(namespace, 'page', container);
    await world.rollOut(namespace, 'page');
    await world.reason('imageServices', namespace, 'page', 'Serving');
    const child = childName('page');
    await world.remove('imageServices', namespace, 'page');
    await until(
      'the Deployment is gone',
      async () => (await world.get('deployments', namespace, child)) === undefined,
    );
    assert.ok(await world.get('networkPolicies', namespace, child), 'the policy stands while a pod runs');
    await world.reason('imageServices', namespace, 'page', 'Deleting');
    await world.collect(namespace, 'page');
    await until(
      'the service is gone',
      async () => (await world.get('imageServices', namespace, 'page')) === undefined,
    );
    for (const kind of [
      'networkPolicies',
      'services',
      'serviceAccounts',
      'configMaps',
      'podDisruptionBudgets',
    ] as const)
      assert.equal(await world.get(kind, namespace, child), undefined, kind);
  });

  it('deletes of a tenant the services first, then its namespace; an adopted one it keeps', async () => {
    const namespace = await makeTenant('ending');
    await makeService(namespace, 'page', container);
    await world.rollOut(namespace, 'page');
    await world.remove('tenants', undefined, 'ending');
    await until(
      'the Deployment is gone',
      async () => (await world.get('deployments', namespace, childName('page'))) === undefined,
    );
    assert.equal(
      (await world.get('namespaces', undefined, namespace))?.metadata.deletionTimestamp,
      undefined,
    );
    await world.collect(namespace, 'page');
    await world.finishNamespace(namespace);
    await until(
      'the tenant is gone',
      async () => (await world.get('tenants', undefined, 'ending')) === undefined,
    );
    await world.remove('tenants', undefined, 'rival');
    await world.remove('tenants', undefined, 'adopting');
    await until(
      'the adopting tenant is gone',
      async () => (await world.get('tenants', undefined, 'adopting')) === undefined,
    );
    assert.ok(await world.get('namespaces', undefined, 'team-a'));
    for (const kind of ['networkPolicies', 'resourceQuotas', 'limitRanges', 'secrets', 'configMaps'] as const)
      assert.deepEqual(await world.list(kind, 'team-a'), [], kind);
  });

  it('keeps a deleted model while a service uses it, and says which', async () => {
    const namespace = await makeTenant('modelling');
    const model = await world.get('clusterImageModels', undefined, 'isnet-general-fp16');
    await world.apply('imageModels', {
      apiVersion: IMAGEPLANE,
      kind: 'ImageModel',
      metadata: { name: 'own', namespace },
      spec: { ...model?.spec },
    });
    await makeService(namespace, 'own', { engine: 'onnx', modelRef: { kind: 'ImageModel', name: 'own' } });
    await world.reason('imageServices', namespace, 'own', 'Starting');
    await until(
      'the model is kept',
      async () => (await world.get('imageModels', namespace, 'own'))?.metadata.finalizers !== undefined,
    );
    await world.remove('imageModels', namespace, 'own');
    assert.match(await world.reason('imageModels', namespace, 'own', 'InUse'), /tenant-modelling\/own/);
    await world.remove('imageServices', namespace, 'own');
    await until(
      'the model is gone',
      async () => (await world.get('imageModels', namespace, 'own')) === undefined,
    );
  });
});

/** What was asked for, without what the server counts. */
function bodyOf(object: Loose | undefined): string {
  const { metadata, status: _, ...rest } = object ?? ({ metadata: {} } as Loose);
  return JSON.stringify({ ...rest, labels: metadata.labels, owners: metadata.ownerReferences });
}
