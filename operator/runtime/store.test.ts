import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createStore, OWNER } from './store.ts';
import type { KubernetesObject } from './types.ts';

interface Thing extends KubernetesObject {
  colour?: string;
}

const thing = fc.record({
  uid: fc.constantFrom('u1', 'u2', 'u3', 'u4', 'u5', 'u6'),
  name: fc.constantFrom('x', 'y'),
  namespace: fc.constantFrom('n1', 'n2', undefined),
  owner: fc.constantFrom('o1', 'o2', undefined),
  colour: fc.constantFrom('red', 'blue', undefined),
});

type Step = { set: Thing } | { remove: string };

type Values = typeof thing extends fc.Arbitrary<infer V> ? V : never;

function objectOf({ uid, name, namespace, owner, colour }: Values): Thing {
  return {
    apiVersion: 'v1',
    kind: 'Thing',
    metadata: {
      ...{ uid, name },
      ...(namespace === undefined ? {} : { namespace }),
      ...(owner === undefined
        ? {}
        : {
            ownerReferences: [
              { apiVersion: 'v1', kind: 'Other', name: 'z', uid: 'not-the-controller' },
              { apiVersion: 'v1', kind: 'Owner', name: 'o', uid: owner, controller: true },
            ],
          }),
    },
    ...(colour === undefined ? {} : { colour }),
  };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: thing.map((values): Step => ({ set: objectOf(values) })) },
  { weight: 1, arbitrary: thing.map(({ uid }): Step => ({ remove: uid })) },
);

function keyOf({ metadata: { namespace, name } }: Thing): string {
  return `${namespace ?? ''}/${name}`;
}

function sorted(things: readonly Thing[]): (string | undefined)[] {
  return things.map(({ metadata }) => metadata.uid).sort();
}

describe('a store', () => {
  it('answers by key, namespace, owner and any other index like a list that is searched', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = createStore<Thing>({ colour: ({ colour }) => (colour === undefined ? [] : [colour]) });
        let objects: Thing[] = [];
        for (const one of steps) {
          if ('remove' in one) {
            const found = objects.find(({ metadata }) => metadata.uid === one.remove);
            assert.equal(store.remove(one.remove), found);
            objects = objects.filter((other) => other !== found);
            continue;
          }
          const { set } = one;
          const previous = objects.find(({ metadata }) => metadata.uid === set.metadata.uid);
          // One uid keeps its name.
          if (previous !== undefined && keyOf(previous) !== keyOf(set)) continue;
          const displaced = objects.find((other) => other !== previous && keyOf(other) === keyOf(set));
          assert.deepEqual(store.set(set), { previous, displaced });
          objects = [...objects.filter((other) => other !== previous && other !== displaced), set];
        }
        assert.equal(store.size, objects.length);
        assert.deepEqual(sorted(store.list()), sorted(objects));
        for (const namespace of ['n1', 'n2'])
          assert.deepEqual(
            sorted(store.list(namespace)),
            sorted(objects.filter(({ metadata }) => metadata.namespace === namespace)),
          );
        for (const object of objects) {
          const { name, namespace, uid = '' } = object.metadata;
          assert.equal(store.get(namespace === undefined ? { name } : { namespace, name }), object);
          assert.equal(store.byUid(uid), object);
        }
        for (const owner of ['o1', 'o2'])
          assert.deepEqual(
            sorted(store.byIndex(OWNER, owner)),
            sorted(objects.filter(({ metadata }) => metadata.ownerReferences?.[1]?.uid === owner)),
          );
        for (const colour of ['red', 'blue'])
          assert.deepEqual(
            sorted(store.byIndex('colour', colour)),
            sorted(objects.filter((object) => object.colour === colour)),
          );
        assert.deepEqual(store.byIndex(OWNER, 'not-the-controller'), []);
      }),
      { numRuns: 500 },
    );
  });

  it('tells an object that was deleted and made again from the one before', () => {
    const store = createStore<Thing>();
    const made = (uid: string): Thing => ({ apiVersion: 'v1', kind: 'Thing', metadata: { name: 'x', uid } });
    store.set(made('old'));
    assert.deepEqual(store.set(made('new')), { previous: undefined, displaced: made('old') });
    assert.deepEqual(store.get({ name: 'x' }), made('new'));
    assert.equal(store.remove('old'), undefined);
    assert.equal(store.size, 1);
  });

  it('says which index is missing', () => {
    assert.throws(() => createStore().byIndex('size', '3'), { name: 'RangeError', message: /no index size/ });
  });
});
