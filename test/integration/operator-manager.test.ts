import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createLogger } from '../../foundation/logger.ts';
import { loadAccess } from '../../operator/runtime/access.ts';
import {
  createManager,
  type Manager,
  NotLeadingError,
  STOP_LIMIT_MS,
} from '../../operator/runtime/manager.ts';
import { createRuntimeMetrics } from '../../operator/runtime/metrics.ts';
import { resources } from '../../operator/runtime/resources.ts';
import { createTransport } from '../../operator/runtime/transport.ts';
import type { KubernetesObject, Reconcile } from '../../operator/runtime/types.ts';
import { own } from '../../operator/runtime/watches.ts';
import { type ApiServer, startApiServer } from '../apiserver/apiserver.ts';
import { type FaultProxy, startFaultProxy } from '../support/api-faults.ts';
import { until } from '../support/program.ts';

let server: ApiServer;
let proxy: FaultProxy;
before(async () => {
  server = await startApiServer();
  proxy = await startFaultProxy(server.kubeconfig);
});
after(async () => {
  await proxy.stop();
  await server.stop();
});

const LEASE = { namespace: 'default', name: 'manager' };

function managerOf(identity: string, reconcile: Reconcile, through = proxy.access): Manager {
  const registry = new Registry();
  const metrics = createRuntimeMetrics(registry);
  const manager = createManager({
    ...{ registry, metrics, identity, reportingController: 'imageplane.dev/test' },
    transport: createTransport(through, { program: 'test', metrics }),
    logger: createLogger('test', 'silent'),
    probes: { host: '127.0.0.1', port: 0 },
    election: { lease: LEASE, times: { leaseMs: 3000, renewMs: 2000, retryMs: 300 } },
  });
  const namespaces = manager.informer({ resource: resources.Namespace, limits: { longestBackoffMs: 200 } });
  manager.controller({ name: 'namespaces', watches: [own(namespaces)], reconcile });
  return manager;
}

function configMap(name: string): KubernetesObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' } };
}

async function readiness(
  port: number,
): Promise<{ status: number; problems: { code: string; message: string }[] }> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  const { problems } = (await answer.json()) as { problems: { code: string; message: string }[] };
  return { status: answer.status, problems };
}

const idle: Reconcile = () => Promise.resolve(undefined);

describe('an operator process', () => {
  it('works only once everything is listed, says until then what is missing, and is alive all the time', async () => {
    const seen: string[] = [];
    const hidden = proxy.inject({ on: 'list', fault: { kind: 'answer', status: 503 } });
    const manager = managerOf('a', ({ name }) => {
      seen.push(name);
      return Promise.resolve(undefined);
    });
    try {
      const { port } = await manager.start();
      await until('it has tried', () => hidden.hits > 1);
      const before = await readiness(port);
      assert.equal(before.status, 503);
      assert.match(String(before.problems[0]?.message), /^Namespace: list: .*injected/);
      assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
      assert.deepEqual(seen, []);
      hidden.remove();
      await until('everything was worked on', () => seen.length === 4);
      assert.deepEqual(await readiness(port), { status: 200, problems: [] });
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      assert.match(
        metrics,
        /controller_runtime_reconcile_total\{controller="namespaces",result="success"\} 4/,
      );
      assert.match(metrics, /leader_election_master_status\{name="manager"\} 1/);
      assert.equal((await fetch(`http://127.0.0.1:${port}/other`)).status, 404);
    } finally {
      await manager.stop();
    }
  });

  it('that stands by is ready, has its stores full, works on nothing and may not write', async () => {
    const seen: string[] = [];
    const leader = managerOf('a', idle);
    await leader.start();
    await until('the first may write', () =>
      leader.client.create(resources.ConfigMap, configMap('by-the-leader')).then(
        () => true,
        (error: unknown) => {
          assert.ok(error instanceof NotLeadingError);
          return false;
        },
      ),
    );
    const standby = managerOf('b', ({ name }) => {
      seen.push(name);
      return Promise.resolve(undefined);
    });
    try {
      const { port } = await standby.start();
      await until('it is ready', async () => (await readiness(port)).status === 200);
      const key = { namespace: 'default', name: 'by-the-leader' };
      const writes: (() => Promise<unknown>)[] = [
        () => standby.client.create(resources.ConfigMap, configMap('x')),
        () => standby.client.update(resources.ConfigMap, configMap('by-the-leader')),
        () => standby.client.apply(resources.ConfigMap, configMap('x'), { fieldManager: 'x' }),
        () => standby.client.delete(resources.ConfigMap, key),
      ];
      for (const write of writes) await assert.rejects(write(), NotLeadingError);
      assert.notEqual(await standby.client.get(resources.ConfigMap, key), undefined);
      assert.deepEqual(seen, []);
      await leader.stop();
      await until('it has taken over', () => seen.length === 4);
    } finally {
      await standby.stop();
    }
  });

  it('stops while a reconcile is under way: that one ends, and its writes are still allowed', async () => {
    const began = Promise.withResolvers<undefined>();
    const go = Promise.withResolvers<undefined>();
    let wrote = false;
    const manager: Manager = managerOf('a', async ({ name }) => {
      if (name !== 'default') return undefined;
      began.resolve(undefined);
      await go.promise;
      await manager.client.apply(resources.ConfigMap, configMap('at-the-end'), { fieldManager: 'test' });
      wrote = true;
      return undefined;
    });
    await manager.start();
    await began.promise;
    const stopped = manager.stop();
    go.resolve(undefined);
    await stopped;
    assert.equal(wrote, true);
  });

  it('stops in time, also when a reconcile never ends and the API server does not answer', async () => {
    const own = await startFaultProxy(server.kubeconfig);
    const began = Promise.withResolvers<undefined>();
    const stuck: Reconcile = () => {
      began.resolve(undefined);
      return new Promise(() => undefined);
    };
    const manager = managerOf('a', stuck, own.access);
    await manager.start();
    await began.promise;
    own.inject({ on: () => true, fault: { kind: 'delay', ms: 60_000 } });
    const started = performance.now();
    await manager.stop();
    assert.ok(performance.now() - started < STOP_LIMIT_MS + 2000);
    await own.stop();
  });

  it('can be stopped before it has begun', async () => {
    const hidden = proxy.inject({ on: 'list', fault: { kind: 'delay', ms: 1000 } });
    const manager = managerOf('a', idle);
    await manager.start();
    await until('it lists', () => hidden.hits > 0);
    await manager.stop();
    hidden.remove();
  });

  it('uses the same API server and identity as kubectl with this kubeconfig', async () => {
    const manager = managerOf('a', idle, loadAccess(server.kubeconfig));
    const found = await manager.client.list(resources.Namespace);
    assert.equal(found.length, 4);
    await manager.stop();
  });
});
