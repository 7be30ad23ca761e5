import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryClient } from '../../test/support/memory-client.ts';
import { type Applier, createApplier } from './apply.ts';
import type { Informer } from './informer.ts';
import { resources } from './resources.ts';
import { createStore, type MutableStore } from './store.ts';
import type { KubernetesObject } from './types.ts';

interface ConfigMap extends KubernetesObject {
  data?: Record<string, string>;
  status?: Record<string, unknown>;
}

interface Bench {
  applier: Applier;
  /** Another process with the same store: it remembers nothing. */
  restarted: () => Applier;
  informer: Informer<ConfigMap>;
  store: MutableStore<ConfigMap>;
  writes: string[];
  outcomes: string[];
}

const signal = new AbortController().signal;
const ANNOTATION = 'test/applied';

function bench(): Bench {
  const { client, writes } = memoryClient();
  const store = createStore<ConfigMap>();
  const outcomes: string[] = [];
  const start = (): Applier =>
    createApplier({
      ...{ client, fieldManager: 'test', annotation: ANNOTATION },
      metrics: { applied: (_kind, outcome) => outcomes.push(outcome) },
    });
  const informer: Informer<ConfigMap> = {
    ...{
      synced: true,
      resource: resources.ConfigMap,
      get: store.get,
      list: store.list,
      byIndex: store.byIndex,
    },
    observe: (object) => void store.set(object),
    ...{ onChange: () => undefined, whenSynced: () => Promise.resolve(), problem: () => undefined },
    ...{ start: () => undefined, stop: () => Promise.resolve() },
  };
  return { ...{ applier: start(), restarted: start, informer, store, writes, outcomes } };
}

function configMap(data: Record<string, string>): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'n' }, data };
}

function changed(object: ConfigMap, change: Partial<ConfigMap>): ConfigMap {
  const version = Number(object.metadata.resourceVersion) + 100;
  return {
    ...object,
    ...change,
    metadata: { ...object.metadata, ...change.metadata, resourceVersion: `${version}` },
  };
}

describe('applying what is wanted', () => {
  it('writes once, and not again while both sides are the same, also after a restart', async () => {
    const { applier, restarted, informer, writes, outcomes } = bench();
    for (const each of [applier, applier, restarted()])
      await each.apply(informer, configMap({ x: '1' }), signal);
    assert.equal(writes.length, 1);
    assert.deepEqual(outcomes, ['changed', 'skipped', 'skipped']);
  });

  it('writes when something else is wanted: more, less or different', async () => {
    for (const next of [{ x: '1', y: '2' }, {}, { x: '2' }])
      for (const restarts of [false, true]) {
        const { applier, restarted, informer, writes } = bench();
        await applier.apply(informer, configMap({ x: '1' }), signal);
        await (restarts ? restarted() : applier).apply(
          informer,
          configMap(next as Record<string, string>),
          signal,
        );
        assert.equal(writes.length, 2, JSON.stringify(next));
      }
  });

  it('writes when somebody has changed it, or has taken away the mark', async () => {
    const drifts: ((object: ConfigMap) => ConfigMap)[] = [
      (object) => changed(object, { data: { x: 'by hand' } }),
      (object) => changed(object, { data: {} }),
      (object) => changed(object, { metadata: { ...object.metadata, annotations: {} } }),
    ];
    for (const drift of drifts)
      for (const restarts of [false, true]) {
        const { applier, restarted, informer, store, writes } = bench();
        const object = await applier.apply(informer, configMap({ x: '1' }), signal);
        store.set(drift(object));
        await (restarts ? restarted() : applier).apply(informer, configMap({ x: '1' }), signal);
        assert.equal(writes.length, 2);
      }
  });

  it('writes nothing when others add what is theirs, or the status changes', async () => {
    const { applier, informer, store, writes } = bench();
    const object = await applier.apply(informer, configMap({ x: '1' }), signal);
    const annotations = { ...object.metadata.annotations, theirs: 'too' };
    store.set(
      changed(object, { data: { x: '1', theirs: '2' }, metadata: { ...object.metadata, annotations } }),
    );
    await applier.apply(informer, configMap({ x: '1' }), signal);
    store.set(changed(object, { status: { replicas: 3 } }));
    await applier.apply(informer, configMap({ x: '1' }), signal);
    assert.equal(writes.length, 1);
  });

  it('repeats no apply that changes nothing, though it cannot tell beforehand', async () => {
    const { applier, informer, store, writes, outcomes } = bench();
    // An empty map that the server does not keep is one that cannot be told from a missing one.
    const wanted = { ...configMap({ x: '1' }), spec: {} };
    const object = await applier.apply(informer, wanted, signal);
    const { spec, ...kept } = object as ConfigMap & { spec?: unknown };
    assert.deepEqual(spec, {});
    store.set(kept);
    await applier.apply(informer, wanted, signal);
    store.set(kept);
    const before = writes.length;
    await applier.apply(informer, wanted, signal);
    assert.ok(writes.length - before <= 1);
    assert.ok(outcomes.includes('needless'));
  });

  it('writes a status when it differs, and leaves what others write in it', async () => {
    const { applier, informer, store, writes } = bench();
    const object = await applier.apply(informer, configMap({}), signal);
    const wanted = { ...configMap({}), status: { phase: 'Ready', usage: undefined } };
    store.set(changed(object, { status: { usage: { today: 3 }, phase: 'Ready' } }));
    const options = { signal, others: ['usage'] };
    await applier.applyStatus(informer, wanted, options);
    assert.equal(writes.length, 1);
    await applier.applyStatus(informer, { ...wanted, status: { phase: 'Waiting' } }, options);
    assert.equal(writes.length, 2);
    store.set(changed(object, { status: { usage: { today: 3 }, phase: 'Ready', old: true } }));
    await applier.applyStatus(informer, wanted, options);
    assert.equal(writes.length, 3, 'a field that is no longer wanted');
  });
});
