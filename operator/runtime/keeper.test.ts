import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createKeeper, type Keeper, type ScopeKeeper, type StoreChange } from './keeper.ts';
import { createStore, type MutableStore } from './store.ts';
import type { KubernetesObject } from './types.ts';

function thing(name: string, uid: string, version: number, namespace = 'n'): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Thing',
    metadata: { name, namespace, uid, resourceVersion: `${version}` },
  };
}

interface Kept {
  store: MutableStore<KubernetesObject>;
  keeper: Keeper<KubernetesObject>;
  scope: ScopeKeeper<KubernetesObject>;
  changes: StoreChange<KubernetesObject>[];
  /** `added x/u1@3` */
  told: () => string[];
  found: Record<'lost' | 'gap', number>;
}

function keep(): Kept {
  const store = createStore();
  const changes: StoreChange<KubernetesObject>[] = [];
  const found = { lost: 0, gap: 0 };
  const keeper = createKeeper(store, (change) => changes.push(change));
  const scope = keeper.scope({}, (cause, count) => {
    found[cause] += count;
  });
  const told = (): string[] =>
    changes
      .splice(0)
      .map(
        ({ type, object: { metadata } }) =>
          `${type} ${metadata.name}/${metadata.uid}@${metadata.resourceVersion}`,
      );
  return { ...{ store, keeper, scope, changes, told, found } };
}

function list({ scope }: Kept, objects: KubernetesObject[], watched?: string): void {
  scope.listBegins();
  for (const object of objects) scope.listed(object);
  scope.listEnds(watched);
}

describe('what a list and a watch say', () => {
  it('is told as changes, the first list as the start', () => {
    const kept = keep();
    list(kept, [thing('x', 'u1', 1)]);
    assert.equal(kept.changes[0]?.initial, true);
    kept.scope.watched(thing('x', 'u1', 2));
    kept.scope.watched(thing('y', 'u2', 3));
    kept.scope.deleted(thing('x', 'u1', 4));
    assert.equal(kept.changes[1]?.initial, false);
    assert.deepEqual(kept.told(), ['added x/u1@1', 'updated x/u1@2', 'added y/u2@3', 'deleted x/u1@4']);
  });

  it('is told once, in whatever way it comes again', () => {
    const kept = keep();
    list(kept, [thing('x', 'u1', 5)]);
    kept.scope.watched(thing('x', 'u1', 5));
    kept.scope.watched(thing('x', 'u1', 4));
    list(kept, [thing('x', 'u1', 5)], '5');
    assert.deepEqual(kept.told(), ['added x/u1@5']);
    assert.deepEqual(kept.found, { lost: 0, gap: 0 });
  });

  it('shows an object that was deleted and made again between two lists as both', () => {
    const kept = keep();
    list(kept, [thing('x', 'old', 1)]);
    list(kept, [thing('x', 'new', 9)], '3');
    assert.deepEqual(kept.told(), ['added x/old@1', 'deleted x/old@1', 'added x/new@9']);
    assert.equal(kept.store.size, 1);
  });

  it('counts what a list finds: lost when the watch had come further, else made in the gap', () => {
    const kept = keep();
    list(kept, [thing('a', 'u1', 1), thing('b', 'u2', 1), thing('c', 'u3', 1)]);
    list(kept, [thing('a', 'u1', 5), thing('b', 'u2', 20)], '10');
    assert.deepEqual(kept.found, { lost: 1, gap: 2 });
  });

  it('forgets what a broken off list has told, and takes nothing for gone before a list is whole', () => {
    const kept = keep();
    list(kept, [thing('a', 'u1', 1), thing('b', 'u2', 1)]);
    kept.scope.listBegins();
    kept.scope.listed(thing('a', 'u1', 1));
    kept.scope.listBegins();
    kept.scope.listed(thing('b', 'u2', 1));
    assert.equal(kept.store.size, 2);
    kept.scope.listEnds('1');
    assert.deepEqual(kept.told(), ['added a/u1@1', 'added b/u2@1', 'deleted a/u1@1']);
  });

  it('takes only its own objects for gone, of several scopes', () => {
    const kept = keep();
    const other = kept.keeper.scope({ namespace: 'm' }, () => undefined);
    list(kept, [thing('x', 'u1', 1)]);
    other.listBegins();
    other.listed(thing('y', 'u2', 1, 'm'));
    other.listEnds(undefined);
    list(kept, []);
    assert.deepEqual(
      kept.store.list().map(({ metadata }) => metadata.name),
      ['y'],
    );
  });
});

describe('the answer of a write', () => {
  it('is seen before the watch tells of it, and told once', () => {
    const kept = keep();
    list(kept, []);
    kept.keeper.observe(thing('x', 'u1', 3));
    assert.equal(kept.store.size, 1);
    kept.scope.watched(thing('x', 'u1', 3));
    assert.deepEqual(kept.told(), ['added x/u1@3']);
  });

  it('never brings back the past or the dead', () => {
    const kept = keep();
    list(kept, [thing('x', 'u1', 9), thing('y', 'u2', 1)]);
    kept.scope.deleted(thing('y', 'u2', 5));
    kept.told();
    kept.keeper.observe(thing('x', 'u1', 3));
    kept.keeper.observe(thing('y', 'u2', 4));
    assert.deepEqual(kept.told(), []);
    assert.equal(kept.store.size, 1);
  });

  it('does not outlive a list that began after it and has no such object', () => {
    const kept = keep();
    list(kept, []);
    kept.keeper.observe(thing('x', 'u1', 3));
    list(kept, [], '2');
    assert.equal(kept.store.size, 0);
    kept.scope.listBegins();
    kept.keeper.observe(thing('z', 'u3', 8));
    kept.scope.listEnds('7');
    assert.equal(kept.store.size, 1, 'it came while the list was made');
  });
});

describe('a store that is kept', () => {
  it('is the server after any history, and its changes lead from one state to the next', () => {
    const step = fc.oneof(
      fc.record({ write: fc.constantFrom('a', 'b', 'c'), answerSeen: fc.boolean() }),
      fc.record({ remove: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ watch: fc.nat({ max: 6 }) }),
      fc.constant({ list: true }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const kept = keep();
        const mirror = new Map<string, KubernetesObject>();
        const server = new Map<string, KubernetesObject>();
        let log: { type: 'put' | 'deleted'; object: KubernetesObject }[] = [];
        let version = 0;
        const relist = (): void => {
          list(kept, [...server.values()], '0');
          log = [];
        };
        const follow = (count: number): void => {
          for (const { type, object } of log.splice(0, count))
            if (type === 'put') kept.scope.watched(object);
            else kept.scope.deleted(object);
        };
        const write = (name: string): KubernetesObject => {
          version += 1;
          const object = thing(name, server.get(name)?.metadata.uid ?? `uid-${version}`, version);
          server.set(name, object);
          log.push({ type: 'put', object });
          return object;
        };
        relist();
        for (const one of steps) {
          if ('write' in one) {
            const object = write(one.write);
            if (one.answerSeen) kept.keeper.observe(object);
          } else if ('remove' in one) {
            const before = server.get(one.remove);
            if (before === undefined) continue;
            version += 1;
            server.delete(one.remove);
            log.push({ type: 'deleted', object: thing(one.remove, before.metadata.uid ?? '', version) });
          } else if ('watch' in one) follow(one.watch);
          else relist();
        }
        follow(Infinity);
        for (const { type, object, previous } of kept.changes) {
          const uid = object.metadata.uid ?? '';
          assert.equal(
            mirror.get(uid),
            type === 'updated' ? previous : type === 'added' ? undefined : mirror.get(uid),
          );
          if (type === 'deleted') assert.ok(mirror.delete(uid));
          else mirror.set(uid, object);
        }
        const versions = (objects: Iterable<KubernetesObject>): string[] =>
          [...objects].map(({ metadata }) => `${metadata.uid}@${metadata.resourceVersion}`).sort();
        assert.deepEqual(versions(kept.store.list()), versions(server.values()));
        assert.deepEqual(versions(mirror.values()), versions(server.values()));
      }),
      { numRuns: 1000 },
    );
  });
});
