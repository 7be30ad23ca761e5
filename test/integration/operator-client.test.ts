import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createLogger } from '../../foundation/logger.ts';
import { loadAccess } from '../../operator/runtime/access.ts';
import { createClient } from '../../operator/runtime/client.ts';
import { ApiError, isConflict } from '../../operator/runtime/errors.ts';
import { createEventRecorder } from '../../operator/runtime/events.ts';
import { createInformer } from '../../operator/runtime/informer.ts';
import { createRuntimeMetrics } from '../../operator/runtime/metrics.ts';
import { systemClock } from '../../operator/runtime/clock.ts';
import { resources } from '../../operator/runtime/resources.ts';
import { OWNER } from '../../operator/runtime/store.ts';
import {
  createTransport,
  ResponseTooLargeError,
  type Transport,
  TransportError,
} from '../../operator/runtime/transport.ts';
import type { Client, KubernetesObject, Resource } from '../../operator/runtime/types.ts';
import { type ApiServer, startApiServer } from '../apiserver/apiserver.ts';
import { startFaultProxy } from '../support/api-faults.ts';
import { children } from '../support/children.ts';
import { until } from '../support/program.ts';

const NAMESPACE = 'operator-client';

interface ConfigMap extends KubernetesObject {
  data?: Record<string, string>;
}

let server: ApiServer;
let transport: Transport;
let client: Client;
before(async () => {
  server = await startApiServer();
  transport = createTransport(loadAccess(server.kubeconfig), { program: 'test' });
  client = createClient(transport);
  await client.create(resources.Namespace, object('Namespace', 'v1', NAMESPACE));
});
after(async () => {
  await transport.close();
  await server.stop();
});

function object(kind: string, apiVersion: string, name: string, rest: object = {}): KubernetesObject {
  const namespace = kind === 'Namespace' ? {} : { namespace: NAMESPACE };
  return { apiVersion, kind, metadata: { name, ...namespace }, ...rest };
}

function configMap(name: string, data: Record<string, string> = {}): KubernetesObject {
  return object('ConfigMap', 'v1', name, { data });
}

function refused(status: number, reason: string, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ApiError &&
    error.status === status &&
    error.reason === reason &&
    message.test(error.message);
}

describe('a client of the API server', () => {
  it('creates, reads, updates and deletes; what is not there is undefined, and gone already is success', async () => {
    const key = { namespace: NAMESPACE, name: 'crud' };
    assert.equal(await client.get(resources.ConfigMap, key), undefined);
    const made = await client.create<ConfigMap>(resources.ConfigMap, configMap('crud', { a: '1' }));
    const read = await client.get<ConfigMap>(resources.ConfigMap, key);
    assert.deepEqual(read?.data, { a: '1' });
    const next = await client.update<ConfigMap>(resources.ConfigMap, {
      ...made,
      data: { a: '2' },
    } as ConfigMap);
    assert.deepEqual(next.data, { a: '2' });
    await assert.rejects(
      client.update(resources.ConfigMap, { ...made, data: { a: '3' } } as ConfigMap),
      (error) => isConflict(error),
    );
    await assert.rejects(
      client.create(resources.ConfigMap, configMap('crud')),
      (error) => error instanceof ApiError && error.reason === 'AlreadyExists' && !isConflict(error),
    );
    await client.delete(resources.ConfigMap, key);
    await client.delete(resources.ConfigMap, key);
    assert.equal(await client.get(resources.ConfigMap, key), undefined);
  });

  it('deletes the object that was meant, and not its successor of the same name', async () => {
    const key = { namespace: NAMESPACE, name: 'successor' };
    const first = await client.create(resources.ConfigMap, configMap('successor'));
    await client.delete(resources.ConfigMap, key);
    await client.create(resources.ConfigMap, configMap('successor'));
    await client.delete(resources.ConfigMap, key, { uid: String(first.metadata.uid) });
    assert.notEqual(await client.get(resources.ConfigMap, key), undefined);
  });

  it('is refused what has a field that the server does not know, in every way to write', async () => {
    const wrong = { ...configMap('strict'), dada: { a: '1' } };
    const unknown = refused(400, 'BadRequest', /unknown field "dada"/);
    await assert.rejects(client.create(resources.ConfigMap, wrong), unknown);
    await assert.rejects(
      client.apply(resources.ConfigMap, wrong, { fieldManager: 'test' }),
      (error) => error instanceof ApiError && /dada/.test(error.message),
    );
    const made = await client.create(resources.ConfigMap, configMap('strict'));
    await assert.rejects(
      client.update(resources.ConfigMap, { ...made, ...wrong, metadata: made.metadata }),
      unknown,
    );
  });

  it('applies as a manager: what is left out next time is removed, and others keep theirs', async () => {
    const apply = (fieldManager: string, data: Record<string, string>, force = true): Promise<ConfigMap> =>
      client.apply(resources.ConfigMap, configMap('applied', data), { fieldManager, force });
    await apply('ours', { a: '1', b: '1' });
    await apply('theirs', { c: '1' });
    assert.deepEqual((await apply('ours', { a: '2' })).data, { a: '2', c: '1' });
    await assert.rejects(apply('ours', { a: '2', c: '2' }, false), refused(409, 'Conflict', /theirs/));
    assert.deepEqual((await apply('ours', { a: '2', c: '2' })).data, { a: '2', c: '2' });
  });

  it('applies a status alone', async () => {
    const deployment = children(NAMESPACE, 'status').find(({ kind }) => kind === 'Deployment');
    assert.ok(deployment !== undefined);
    await client.apply(resources.Deployment, deployment, { fieldManager: 'test' });
    const status = object('Deployment', 'apps/v1', deployment.metadata.name, {
      status: { observedGeneration: 7 },
    });
    const answer = await client.apply<KubernetesObject & { spec: object; status: object }>(
      resources.Deployment,
      status,
      { fieldManager: 'test-status', subresource: 'status' },
    );
    assert.deepEqual(answer.status, { observedGeneration: 7 });
    assert.ok('template' in answer.spec);
  });

  it('reads a list of many pages whole, with kind and version on every item', async () => {
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        client.create(resources.ConfigMap, {
          ...configMap(`many-${index}`),
          metadata: { name: `many-${index}`, namespace: NAMESPACE, labels: { many: 'yes' } },
        }),
      ),
    );
    const found = await client.list(resources.ConfigMap, { namespace: NAMESPACE, labelSelector: 'many=yes' });
    assert.equal(found.length, 40);
    for (const { kind, apiVersion } of found) assert.deepEqual([kind, apiVersion], ['ConfigMap', 'v1']);
  });

  it('says that a kind is not served, instead of that an object is not there', async () => {
    const missing: Resource = {
      group: 'nobody.example',
      version: 'v1',
      kind: 'X',
      plural: 'xs',
      namespaced: false,
    };
    await assert.rejects(
      client.get(missing, { name: 'a' }),
      (error) => error instanceof ApiError && error.status === 404,
    );
  });

  it('throws the reason of the caller when that ends the call', async () => {
    const ended = AbortSignal.abort(new Error('the caller left'));
    await assert.rejects(
      client.get(resources.ConfigMap, { namespace: NAMESPACE, name: 'crud' }, { signal: ended }),
      /the caller left/,
    );
  });

  it('takes no answer that is larger than its limit, and an informer asks for less at a time', async () => {
    const small = createTransport(loadAccess(server.kubeconfig), { program: 'test', maxResponseBytes: 6000 });
    try {
      const all = createClient(small).list(resources.ConfigMap, {
        namespace: NAMESPACE,
        labelSelector: 'many=yes',
      });
      await assert.rejects(all, ResponseTooLargeError);
      const informer = createInformer(
        {
          resource: resources.ConfigMap,
          scopes: [{ namespace: NAMESPACE, labelSelector: 'many=yes' }],
          limits: { pageSize: 64, backoffMs: 1, longestBackoffMs: 5 },
        },
        { transport: small, logger: createLogger('test', 'silent') },
      );
      informer.start();
      await informer.whenSynced(AbortSignal.timeout(20_000));
      assert.equal(informer.list().length, 40);
      await informer.stop();
    } finally {
      await small.close();
    }
  });

  it('gives up a request that is not answered, waits as 429 asks, and counts both', async () => {
    const proxy = await startFaultProxy(server.kubeconfig);
    const registry = new Registry();
    const metrics = createRuntimeMetrics(registry);
    const through = createTransport(proxy.access, { program: 'test', timeoutMs: 500, metrics });
    try {
      const get = (): Promise<unknown> =>
        createClient(through).get(resources.ConfigMap, { namespace: NAMESPACE, name: 'applied' });
      const slow = proxy.inject({ on: 'read', times: 1, fault: { kind: 'delay', ms: 5000 } });
      await assert.rejects(get(), TransportError);
      slow.remove();
      const throttle = {
        kind: 'answer',
        status: 429,
        reason: 'TooManyRequests',
        retryAfterSeconds: 1,
      } as const;
      proxy.inject({ on: 'read', times: 1, fault: throttle });
      const began = performance.now();
      assert.notEqual(await get(), undefined);
      assert.ok(performance.now() - began >= 990);
      const { host } = new URL(proxy.url);
      const text = await registry.getSingleMetricAsString('rest_client_requests_total');
      for (const code of ['<error>', '429', '200'])
        assert.ok(text.includes(`{code="${code}",method="GET",host="${host}"} 1`), text);
    } finally {
      await through.close();
      await proxy.stop();
    }
  });

  it('has no more requests in flight than it is allowed', async () => {
    const proxy = await startFaultProxy(server.kubeconfig);
    const narrow = createTransport(proxy.access, { program: 'test', maxInFlight: 3 });
    try {
      proxy.inject({ on: 'read', fault: { kind: 'delay', ms: 20 } });
      const call = (): Promise<unknown> =>
        createClient(narrow).get(resources.ConfigMap, { namespace: NAMESPACE, name: 'applied' });
      let most = 0;
      const watching = setInterval(() => (most = Math.max(most, proxy.connections())), 2);
      await Promise.all(Array.from({ length: 30 }, call));
      clearInterval(watching);
      assert.equal(most, 3);
    } finally {
      await narrow.close();
      await proxy.stop();
    }
  });
});

describe('what is kept of objects', () => {
  it('has no managedFields, only what a transform keeps, and is found by its owner', async () => {
    const owner = await client.create(resources.ConfigMap, configMap('owner'));
    const uid = String(owner.metadata.uid);
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid, controller: true };
    await client.create(resources.ConfigMap, {
      ...configMap('owned', { large: 'x'.repeat(1000) }),
      metadata: { name: 'owned', namespace: NAMESPACE, ownerReferences: [reference] },
    });
    const informer = createInformer<ConfigMap>(
      {
        resource: resources.ConfigMap,
        scopes: [{ namespace: NAMESPACE, fieldSelector: 'metadata.name=owned' }],
        transform: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }),
      },
      { transport, logger: createLogger('test', 'silent') },
    );
    informer.start();
    await informer.whenSynced();
    const [kept, ...others] = informer.byIndex(OWNER, uid);
    assert.equal(others.length, 0);
    assert.equal(kept?.metadata.name, 'owned');
    assert.ok(!('managedFields' in kept.metadata));
    assert.equal(kept.data, undefined);
    await informer.stop();
  });
});

describe('an informer of several namespaces', () => {
  it('is synced when each was listed, and holds what is in them and nothing else', async () => {
    const names = ['several-a', 'several-b', 'several-c'];
    for (const name of names) {
      await client.create(resources.Namespace, object('Namespace', 'v1', name));
      const made = { ...configMap('same'), metadata: { name: 'same', namespace: name } };
      await client.create(resources.ConfigMap, made);
    }
    const informer = createInformer<ConfigMap>(
      { resource: resources.ConfigMap, scopes: names.slice(0, 2).map((namespace) => ({ namespace })) },
      { transport, logger: createLogger('test', 'silent') },
    );
    const seen: string[] = [];
    informer.onChange(({ type, object: { metadata }, initial }) => {
      seen.push(`${type} ${String(metadata.namespace)}/${metadata.name}${initial ? ' at the start' : ''}`);
    });
    assert.equal(informer.synced, false);
    informer.start();
    await informer.whenSynced();
    assert.equal(informer.synced, true);
    assert.deepEqual(seen.sort(), ['added several-a/same at the start', 'added several-b/same at the start']);
    for (const namespace of names) await client.delete(resources.ConfigMap, { namespace, name: 'same' });
    await until('both deletions are seen', () => informer.list().length === 0);
    assert.deepEqual(seen.slice(2).sort(), ['deleted several-a/same', 'deleted several-b/same']);
    await informer.stop();
  });
});

describe('events', () => {
  it('are taken by the server, repeated ones as a series, also about an object without namespace', async () => {
    const events = createEventRecorder({
      ...{ client, clock: systemClock, logger: createLogger('test', 'silent') },
      ...{ reportingController: 'imageplane.dev/test', reportingInstance: 'pod-1' },
    });
    const namespace = await client.get(resources.Namespace, { name: NAMESPACE });
    const about = await client.get(resources.ConfigMap, { namespace: NAMESPACE, name: 'applied' });
    assert.ok(namespace !== undefined && about !== undefined);
    for (let time = 0; time < 5; time += 1)
      for (const one of [about, namespace])
        events.record(one, {
          type: 'Warning',
          reason: 'ModelMissing',
          action: 'Reconcile',
          note: 'add the model',
        });
    await events.close(10_000);
    const found = await client.list<KubernetesObject & { series: { count: number }; note: string }>(
      resources.Event,
      { fieldSelector: 'reason=ModelMissing' },
    );
    assert.deepEqual(
      found.map(({ metadata, series, note }) => [metadata.namespace, series.count, note]).sort(),
      [
        ['default', 5, 'add the model'],
        [NAMESPACE, 5, 'add the model'],
      ],
    );
  });
});
