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

/** A write of the operator in words that are the same for every tenant; undefined for events, which are only help. */
function nameOf({ method, path }: Exchange, tenant: string): string | undefined {
  return path.includes('/events') ? undefined : `${method} ${path.replaceAll(tenant, 'TENANT')}`;
}

describe('The operator, ended after any of its writes', () => {
  it('comes to the same, with no orphan and no restarted pod', { timeout: 600_000 }, async () => {
    const writes = new Set<string>();
    proxy.onWritten((exchange) => {
      const name = nameOf(exchange, 'whole');
      if (name !== undefined) writes.add(name);
      return Promise.resolve();
    });
    const { picture } = await live('whole');
    assert.ok(writes.size > 20, [...writes].join('\n'));

    for (const [index, write] of [...writes].entries()) {
      const tenant = `broken-${index}`;
      const restarted = Promise.withResolvers<undefined>();
      let ended = false;
      proxy.onWritten(async (exchange) => {
        if (ended || nameOf(exchange, tenant) !== write) return;
        ended = true;
        // It hears of nothing any more: neither that the write was done nor of anything else.
        await proxy.goAway();
        void world
          .restart(() => proxy.comeBack())
          .then(() => {
            restarted.resolve(undefined);
          }, restarted.reject);
      });
      const broken = await live(tenant);
      assert.ok(ended, `it was ended after ${write}`);
      await restarted.promise;
      assert.deepEqual(broken.picture, picture, `ended after ${write}`);
      assert.equal(broken.deployment?.metadata.generation, 1, `ended after ${write}`);
    }
  });
});

describe('The operator, whose writes are refused', () => {
  it('starts no pod before the policy stands, says so, and goes on when it may', async () => {
    const namespace = await makeTenant(world, 'refused');
    const policy = `/networkpolicies/${childName(SERVICE)}`;
    const refusal = proxy.inject({
      on: ({ kind, path }) => kind === 'write' && path.endsWith(policy),
      fault: { kind: 'answer', status: 403, reason: 'Forbidden' },
    });
    await makeService(world, namespace, SERVICE, container);
    const message = await world.reason('imageServices', namespace, SERVICE, 'ChildRefused', 'Stalled');
    assert.match(message, /NetworkPolicy imageplane-svc-page was refused/);
    assert.ok(await world.get('services', namespace, childName(SERVICE)), 'the others are tried');
    assert.equal(await world.get('deployments', namespace, childName(SERVICE)), undefined);
    refusal.remove();
    await world.reason('imageServices', namespace, SERVICE, 'Starting');
  });

  it('tries again what the server could not do, without giving it up', async () => {
    const namespace = await makeTenant(world, 'unlucky');
    const faults = proxy.inject({
      on: ({ kind, path }) =>
        kind === 'write' && path.includes(namespace) && path.includes(childName(SERVICE)),
      fault: { kind: 'answer', status: 503 },
      times: 6,
    });
    await makeService(world, namespace, SERVICE, container);
    await world.reason('imageServices', namespace, SERVICE, 'Starting');
    assert.equal(faults.hits, 6);
  });
});
