import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Informer } from './informer.ts';
import type { ChangeHandler } from './keeper.ts';
import { keyText, resources } from './resources.ts';
import { createStore } from './store.ts';
import type { KubernetesObject, ObjectMeta, Resource } from './types.ts';
import { mapped, own, ownedBy, ownerReferenceOf, specChanged, type Watch } from './watches.ts';

function thing(metadata: Partial<ObjectMeta> = {}): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'x', namespace: 'n', uid: 'u', ...metadata } };
}

function informerWith(objects: KubernetesObject[] = []): {
  informer: Informer;
  tell: ChangeHandler<KubernetesObject>;
} {
  const store = createStore();
  for (const object of objects) store.set(object);
  const handlers: ChangeHandler<KubernetesObject>[] = [];
  const informer: Informer = {
    ...{ resource: resources.ConfigMap, synced: true },
    ...{ get: store.get, list: store.list, byIndex: store.byIndex, observe: () => undefined },
    onChange: (handler) => handlers.push(handler),
    ...{ whenSynced: () => Promise.resolve(), problem: () => undefined },
    ...{ start: () => undefined, stop: () => Promise.resolve() },
  };
  return {
    informer,
    tell(change) {
      for (const handler of handlers) handler(change);
    },
  };
}

function keysOf(watch: Watch): string[] {
  const keys: string[] = [];
  watch.onChange((key, initial) => keys.push(`${keyText(key)}${initial ? ' at the start' : ''}`));
  return keys;
}

const owner = {
  apiVersion: 'imageplane.dev/v1alpha1',
  kind: 'Tenant',
  name: 'acme',
  uid: 't',
  controller: true,
};

describe('watches', () => {
  it('map an object to itself', () => {
    const { informer, tell } = informerWith([thing()]);
    const watch = own(informer);
    const keys = keysOf(watch);
    tell({ type: 'added', object: thing(), previous: undefined, initial: true });
    tell({ type: 'deleted', object: thing(), previous: undefined, initial: false });
    assert.deepEqual(keys, ['n/x at the start', 'n/x']);
    assert.deepEqual(watch.all(), [{ namespace: 'n', name: 'x' }]);
  });

  it('map a child to the owner that controls it, of any version of its kind, in its scope', () => {
    const cases: [KubernetesObject, Resource, string[]][] = [
      [thing({ ownerReferences: [owner] }), resources.Tenant, ['acme']],
      [
        thing({ ownerReferences: [{ ...owner, apiVersion: 'imageplane.dev/v1' }] }),
        resources.Tenant,
        ['acme'],
      ],
      [thing({ ownerReferences: [{ ...owner, apiVersion: 'other.dev/v1alpha1' }] }), resources.Tenant, []],
      [thing({ ownerReferences: [{ ...owner, controller: false }] }), resources.Tenant, []],
      [thing({ ownerReferences: [owner] }), resources.ImageService, []],
      [thing({ ownerReferences: [{ ...owner, kind: 'ImageService' }] }), resources.ImageService, ['n/acme']],
      [thing(), resources.Tenant, []],
    ];
    for (const [child, kind, expected] of cases)
      assert.deepEqual(
        ownedBy(informerWith([child]).informer, kind)
          .all()
          .map(keyText),
        expected,
      );
  });

  it('tell the old owner, too, when a child changes hands', () => {
    const { informer, tell } = informerWith();
    const keys = keysOf(ownedBy(informer, resources.Tenant));
    tell({
      ...{ type: 'updated', initial: false },
      object: thing({ ownerReferences: [{ ...owner, name: 'new' }] }),
      previous: thing({ ownerReferences: [owner] }),
    });
    assert.deepEqual(keys, ['new', 'acme']);
  });

  it('leave out updates that do not matter, and nothing else', () => {
    const { informer, tell } = informerWith();
    const keys = keysOf(own(informer, { matters: specChanged }));
    const update = (before: Partial<ObjectMeta>, after: Partial<ObjectMeta>): void => {
      tell({ type: 'updated', object: thing(after), previous: thing(before), initial: false });
    };
    update({ generation: 1, resourceVersion: '1' }, { generation: 1, resourceVersion: '2' });
    assert.deepEqual(keys, []);
    const changes: Partial<ObjectMeta>[] = [
      { generation: 2 },
      { labels: { a: 'b' } },
      { annotations: { a: 'b' } },
      { finalizers: ['x'] },
      { deletionTimestamp: '2026-01-01T00:00:00Z' },
      { ownerReferences: [owner] },
    ];
    for (const change of changes) update({ generation: 1 }, { generation: 1, ...change });
    tell({ type: 'added', object: thing(), previous: undefined, initial: false });
    assert.equal(keys.length, changes.length + 1);
  });

  it('map to any keys', () => {
    const watch = mapped(informerWith([thing()]).informer, () => [{ name: 'a' }, { name: 'b' }]);
    assert.deepEqual(watch.all(), [{ name: 'a' }, { name: 'b' }]);
  });
});

describe('the reference to an owner', () => {
  it('is the one by which its children are found', () => {
    const tenant: KubernetesObject = {
      apiVersion: 'imageplane.dev/v1alpha1',
      kind: 'Tenant',
      metadata: { name: 'acme', uid: 't' },
    };
    const reference = ownerReferenceOf(resources.Tenant, tenant);
    assert.deepEqual(reference, { ...owner, blockOwnerDeletion: true });
    assert.throws(
      () => ownerReferenceOf(resources.Tenant, { ...tenant, metadata: { name: 'acme' } }),
      /no uid/,
    );
  });
});
