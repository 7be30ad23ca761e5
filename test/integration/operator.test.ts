import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { childName } from '../../contracts/workload.ts';
import { inferenceServerConfig } from '../../inference-server/config.ts';
import type { Deployment, KindName, NetworkPolicy, Secret } from '../../operator/kinds.ts';
import { valueAt } from '../apiserver/install-crds.ts';
import {
  applyFile,
  container,
  IMAGEPLANE,
  makeService,
  makeSharedSecret,
  makeTenant,
  versionsOf,
} from '../support/operator-actions.ts';
import {
  type Conditioned,
  type Loose,
  openOperatorWorld,
  type OperatorWorld,
} from '../support/operator-world.ts';
import { until } from '../support/program.ts';

const PUT_BACK_MS = 5_000;

let world: OperatorWorld;
before(async () => {
  world = await openOperatorWorld({
    sharedSecrets: [{ name: 'registry', use: 'registry' }],
    publicUrl: 'https://images.example.org/',
  });
  await makeSharedSecret(world, 'registry', 'first');
  for (const file of [
    'models/isnet-medium.yaml',
    'models/isnet-small.yaml',
    'examples/tenant.yaml',
    'examples/service.yaml',
  ])
    await applyFile(world, file);
});
after(async () => {
  await world.close();
});

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
    const now = JSON.stringify(await versionsOf(world, namespace));
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
        PUT_BACK_MS,
      );
    }
    for (const kind of ['networkPolicies', 'services', 'podDisruptionBudgets', 'deployments'] as const) {
      const uid = (await world.get(kind, 'tenant-demo', child))?.metadata.uid;
      await world.remove(kind, 'tenant-demo', child);
      const back = async (): Promise<boolean> => {
        const found = await world.get(kind, 'tenant-demo', child);
        return found !== undefined && found.metadata.uid !== uid;
      };
      await until(`${kind} ${child} is back`, back, PUT_BACK_MS);
    }
  });

  it('can be scaled; leaves what autoscaling scales, and no container that somebody adds to the pods', async () => {
    const namespace = await makeTenant(world, 'scaling');
    await makeService(world, namespace, 'fixed', { ...container, replicas: 2 });
    await world.rollOut(namespace, 'fixed');
    await world.reason('imageServices', namespace, 'fixed', 'Serving');
    const scale = await world.server.request(
      'GET',
      `/apis/${IMAGEPLANE}/namespaces/${namespace}/imageservices/fixed/scale`,
    );
    const selector = 'imageplane.dev/service=fixed,imageplane.dev/tenant=scaling';
    assert.deepEqual(valueAt(scale.body, 'status'), { replicas: 2, selector });
    await makeService(world, namespace, 'auto', {
      ...container,
      autoscaling: { minReplicas: 1, maxReplicas: 5 },
    });
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
      PUT_BACK_MS,
    );
    assert.equal((await now())?.spec.replicas, 4);
  });

  it('copies a rotated Secret, and keeps tenants apart', async () => {
    const other = await makeTenant(world, 'other', { groups: [{ name: 'others', role: 'developer' }] });
    await makeService(world, other, 'page', container);
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
    await makeSharedSecret(world, 'registry', 'second');
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
    const namespace = await makeTenant(world, 'people', { groups });
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

  it('as a program waits for the lead, takes over when it is free, and gives it back at its end', async () => {
    await world.operator().manager.stop();
    const program = await world.program();
    await makeTenant(world, 'program');
    await program.stop();
    const lease = `/apis/coordination.k8s.io/v1/namespaces/${world.config.systemNamespace}/leases/imageplane-operator`;
    const { body } = await world.server.request('GET', lease);
    assert.equal(valueAt(body, 'spec', 'holderIdentity') ?? '', '');
    await world.restart();
  });

  it('tells of what happened by events of the object', async () => {
    const path = '/apis/events.k8s.io/v1/events?limit=500';
    await until('there are events', async () => {
      const { body } = await world.server.request('GET', path);
      const items = valueAt(body, 'items') as unknown as { reason: string; regarding: { name: string } }[];
      return items.some(({ reason, regarding }) => reason === 'Serving' && regarding.name === 'cutout');
    });
  });
});

/** What was asked for, without what the server counts. */
function bodyOf(object: Loose | undefined): string {
  const { labels, ownerReferences } = object?.metadata ?? { name: '' };
  return JSON.stringify({ ...object, metadata: { labels, ownerReferences }, status: undefined });
}
