import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { childName } from '../../contracts/workload.ts';
import type { Pod } from '../../operator/kinds.ts';
import {
  applyFile,
  container,
  IMAGEPLANE,
  makeService,
  makeTenant,
  onnx,
} from '../support/operator-actions.ts';
import { openOperatorWorld, type OperatorWorld } from '../support/operator-world.ts';
import { until } from '../support/program.ts';

let world: OperatorWorld;
before(async () => {
  world = await openOperatorWorld();
  for (const file of ['models/isnet-medium.yaml', 'models/isnet-small.yaml']) await applyFile(world, file);
});
after(async () => {
  await world.close();
});

describe('The operator, on a real API server', () => {
  describe('gives each failure its reason and the next action', () => {
    let namespace = '';
    before(async () => {
      namespace = await makeTenant(world, 'failing', {
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
        await makeService(world, namespace, name, spec);
        await world.runPod(namespace, name, podStatus);
        assert.match(await world.reason('imageServices', namespace, name, reason, 'Stalled'), says);
        await world.reason('imageServices', namespace, name, reason);
      });

    it('a quota without room', async () => {
      await makeService(world, namespace, 'quota', container);
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
      await makeService(world, namespace, 'missing', { engine: 'onnx', modelRef: { name: 'gone' } });
      await world.reason('imageServices', namespace, 'missing', 'ModelMissing', 'Stalled');
      assert.equal(await world.get('deployments', namespace, childName('missing')), undefined);
      await cloneModel('gone', {});
      await world.reason('imageServices', namespace, 'missing', 'Starting');
    });

    it('a model that the tenant may not use, also while it runs', async () => {
      await makeService(world, namespace, 'forbidden', {
        engine: 'onnx',
        modelRef: { name: 'isnet-general-int8' },
      });
      const message = await world.reason(
        'imageServices',
        namespace,
        'forbidden',
        'ModelNotAllowed',
        'Stalled',
      );
      assert.match(message, /spec.models.allowed/);
      assert.equal(await world.get('deployments', namespace, childName('forbidden')), undefined);
      await makeService(world, namespace, 'allowed', onnx);
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
      await makeService(world, namespace, 'terms', { engine: 'onnx', modelRef: { name: 'terms' } });
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
      const paused = await makeTenant(world, 'paused');
      await makeService(world, paused, 'page', container);
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
    const namespace = await makeTenant(world, 'leaving');
    await makeService(world, namespace, 'page', container);
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
    const namespace = await makeTenant(world, 'ending');
    await makeService(world, namespace, 'page', container);
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
    await world.apply('namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'team-a', labels: { 'imageplane.dev/tenant': 'adopting' } },
    });
    const spec = { namespace: 'team-a' };
    await makeTenant(world, 'adopting', spec);
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
    const namespace = await makeTenant(world, 'modelling');
    const model = await world.get('clusterImageModels', undefined, 'isnet-general-fp16');
    await world.apply('imageModels', {
      apiVersion: IMAGEPLANE,
      kind: 'ImageModel',
      metadata: { name: 'own', namespace },
      spec: { ...model?.spec },
    });
    await makeService(world, namespace, 'own', {
      engine: 'onnx',
      modelRef: { kind: 'ImageModel', name: 'own' },
    });
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
