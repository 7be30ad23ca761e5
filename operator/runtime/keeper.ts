import type { Scope } from './client.ts';
import { type MutableStore, uidOf } from './store.ts';
import type { KubernetesObject } from './types.ts';

export type StoreChange<T> = {
  /** From the first list: nothing has happened to the object just now. */
  initial: boolean;
} & (
  | { type: 'added'; object: T; previous: undefined }
  | { type: 'updated'; object: T; previous: T }
  | { type: 'deleted'; object: T; previous: undefined }
);

/** Only enqueues keys: work in here would hold up the watch. What it throws is logged and goes no further. */
export type ChangeHandler<T> = (change: StoreChange<T>) => void;

export interface Keeper<T> {
  observe: (object: T) => void;
  scope: (scope: Scope, found: (cause: 'lost' | 'gap', count: number) => void) => ScopeKeeper<T>;
}

export interface ScopeKeeper<T> {
  listBegins: () => void;
  listed: (object: T) => void;
  listEnds: (watched: string | undefined) => void;
  watched: (object: T) => void;
  deleted: (object: T) => void;
}

/** So many deletions are remembered, against a write's answer that comes after its object was deleted. */
const REMEMBERED = 4096;

/** Turns lists and events into changes of the store, each told once. */
export function createKeeper<T extends KubernetesObject>(
  store: MutableStore<T>,
  tell: ChangeHandler<T>,
): Keeper<T> {
  const gone = createRecent(REMEMBERED);
  /** Known from a write's answer alone: no list or watch has told of them yet. */
  const unconfirmed = new Set<string>();

  function remove(uid: string, last?: T): boolean {
    gone.add(uid);
    unconfirmed.delete(uid);
    const known = store.remove(uid);
    if (known === undefined) return false;
    tell({ type: 'deleted', object: last ?? known, previous: undefined, initial: false });
    return true;
  }

  /** True when it was news. */
  function put(object: T, initial: boolean): boolean {
    const known = store.byUid(uidOf(object));
    if (known !== undefined && !isNewer(object, known)) return false;
    const { previous, displaced } = store.set(object);
    if (displaced !== undefined) {
      gone.add(uidOf(displaced));
      tell({ type: 'deleted', object: displaced, previous: undefined, initial: false });
    }
    if (previous === undefined) tell({ type: 'added', object, previous, initial });
    else tell({ type: 'updated', object, previous, initial });
    return true;
  }

  return {
    observe(object) {
      const uid = uidOf(object);
      if (gone.has(uid)) return;
      if (store.byUid(uid) === undefined) unconfirmed.add(uid);
      put(object, false);
    },
    scope({ namespace }, found) {
      let members = new Set<string>();
      let seen = new Set<string>();
      let doubtful: readonly string[] = [];
      let news: T[] = [];
      let first = true;
      return {
        listBegins() {
          seen = new Set();
          news = [];
          doubtful = [...unconfirmed].filter(
            (uid) => namespace === undefined || store.byUid(uid)?.metadata.namespace === namespace,
          );
        },
        listed(object) {
          const uid = uidOf(object);
          seen.add(uid);
          members.add(uid);
          unconfirmed.delete(uid);
          if (put(object, first)) news.push(object);
        },
        listEnds(watched) {
          let gap = 0;
          for (const uid of members) if (!seen.has(uid) && remove(uid)) gap += 1;
          for (const uid of doubtful) if (unconfirmed.has(uid)) remove(uid);
          const lost = news.filter((object) => !isLater(object.metadata.resourceVersion, watched)).length;
          gap += news.length - lost;
          if (!first && lost > 0) found('lost', lost);
          if (!first && gap > 0) found('gap', gap);
          members = seen;
          seen = new Set();
          news = [];
          first = false;
        },
        watched(object) {
          members.add(uidOf(object));
          unconfirmed.delete(uidOf(object));
          put(object, false);
        },
        deleted(object) {
          members.delete(uidOf(object));
          remove(uidOf(object), object);
        },
      };
    },
  };
}

function createRecent(most: number): { add: (value: string) => void; has: (value: string) => boolean } {
  const values = new Set<string>();
  return {
    add(value) {
      values.delete(value);
      values.add(value);
      if (values.size <= most) return;
      const oldest = values.values().next();
      if (oldest.done !== true) values.delete(oldest.value);
    },
    has: (value) => values.has(value),
  };
}

function isNewer(object: KubernetesObject, known: KubernetesObject): boolean {
  return isLater(object.metadata.resourceVersion, known.metadata.resourceVersion);
}

/**
 * Kubernetes promises since 1.35 that resource versions of a kind compare as whole numbers, which they always have
 * been; what is no number counts as later, so that nothing is ever kept back.
 */
function isLater(version: string | undefined, than: string | undefined): boolean {
  if (version === than) return false;
  if (version === undefined || than === undefined) return true;
  if (!/^\d+$/.test(version) || !/^\d+$/.test(than)) return true;
  return version.length === than.length ? version > than : version.length > than.length;
}
