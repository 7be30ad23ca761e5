import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { childName } from '../../contracts/workload.ts';
import type { KindName } from '../../operator/kinds.ts';
import { type Exchange, type FaultProxy, startFaultProxy } from '../support/api-faults.ts';
import { container, makeService, makeTenant } from '../support/operator-actions.ts';
import { type Loose, openOperatorWorld, type OperatorWorld } from '../support/operator-world.ts';
import { until } from '../support/program.ts';

const SERVICE = 'page';
const OF_A_TENANT: KindName[] = [
  'networkPolicies',
  'resourceQuotas',
  'limitRanges',
  'roleBindings',
  'configMaps',
  'serviceAccounts',
  'services',
  'podDisruptionBudgets',
  'deployments',
];

let world: OperatorWorld;
let proxy: FaultProxy;
before(async () => {
  world = await openOperatorWorld({}, async (kubeconfig) => {
    proxy = await startFaultProxy(kubeconfig);
    return proxy.access;
  });
});
after(async () => {
  proxy.onWritten(undefined);
  await world.close();
  await proxy.stop();
});

/** Everything in the tenant's namespace, in words that are the same for every tenant. */
async function pictureOf(tenant: string): Promise<string[]> {
  const picture: string[] = [];
  for (const kind of OF_A_TENANT)
    for (const object of await world.list(kind, `tenant-${tenant}`)) {
      const { labels, ownerReferences } = object.metadata;
      const owner = ownerReferences?.map(({ kind: of, name, controller }) => [of, name, controller]);
      const spec = Object.entries(object.spec ?? {}).filter(([field]) => !field.startsWith('clusterIP'));
      const { data, roleRef, subjects } = object;
      const text = JSON.stringify([kind, object.metadata.name, labels, owner, spec, data, roleRef, subjects]);
      picture.push(text.replaceAll(tenant, 'TENANT'));
    }
  return picture.sort();
}

/** From `kubectl apply` to `kubectl delete`: what stood there in between, and what of the pods' Deployment. */
async function live(tenant: string): Promise<{ picture: string[]; deployment: Loose | undefined }> {
  const namespace = await makeTenant(world, tenant, { groups: [{ name: 'people', role: 'developer' }] });
  await makeService(world, namespace, SERVICE, container);
  await world.reason('imageServices', namespace, SERVICE, 'Starting');
  await world.rollOut(namespace, SERVICE);
  await world.reason('imageServices', namespace, SERVICE, 'Serving');
  const picture = await pictureOf(tenant);
  const deployment = await world.get('deployments', namespace, childName(SERVICE));
  await world.remove('tenants', undefined, tenant);
  await until('the Deployment is gone', async () => {
    return (await world.get('deployments', namespace, childName(SERVICE))) === undefined;
  });
  assert.ok(
    await world.get('networkPolicies', namespace, childName(SERVICE)),
    'the policy outlives the pods',
  );
  await world.collect(namespace, SERVICE);
  await world.finishNamespace(namespace);
  await until(
    'the tenant is gone',
    async () => (await world.get('tenants', undefined, tenant)) === undefined,
  );
  const left = (await pictureOf(tenant)).filter((text) => text.includes(childName(SERVICE)));
  assert.deepEqual(left, [], 'nothing of the service is left');
  return { picture, deployment };
}

const counts = ({ method, path }: Exchange): boolean => method !== 'GET' && !path.includes('/events');

describe('The operator, ended after any of its writes', () => {
  it('comes to the same, with no orphan and no restarted pod', { timeout: 600_000 }, async () => {
    const writes: string[] = [];
    proxy.onWritten((exchange) => {
      if (counts(exchange)) writes.push(`${exchange.method} ${exchange.path}`);
      return Promise.resolve();
    });
    const { picture } = await live('whole');
    const total = writes.length;
    assert.ok(total > 20, `${total} writes`);

    for (let last = 1; last <= total; last += 1) {
      let count = 0;
      const restarted = Promise.withResolvers<undefined>();
      proxy.onWritten(async (exchange) => {
        if (!counts(exchange) || (count += 1) !== last) return;
        // It hears of nothing any more: neither that the write was done nor of anything else.
        await proxy.goAway();
        void world
          .restart(() => proxy.comeBack())
          .then(() => {
            restarted.resolve(undefined);
          }, restarted.reject);
      });
      const broken = await live(`broken-${last}`);
      assert.ok(count >= last, `it was ended after ${writes[last - 1] ?? ''}`);
      await restarted.promise;
      assert.deepEqual(broken.picture, picture, `ended after ${writes[last - 1] ?? ''}`);
      assert.equal(broken.deployment?.metadata.generation, 1, `ended after ${writes[last - 1] ?? ''}`);
    }
    console.log(`ended after each of ${total} writes:\n${writes.join('\n')}`);
  });
});
