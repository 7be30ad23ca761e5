import { keyText } from './resources.ts';
import type { KubernetesObject, ObjectKey, Store } from './types.ts';

/** Values under which an object is found in an index. */
export type IndexValues<T> = (object: T) => readonly string[];

/** The built-in index by the uid of the controller that owns an object. */
export const OWNER = 'owner';

export interface Change<T> {
  /** What this uid was before. */
  previous: T | undefined;
  /** An object of the same name and another uid, which is gone: its deletion was not told. */
  displaced: T | undefined;
}

export interface MutableStore<T extends KubernetesObject> extends Store<T> {
  readonly size: number;
  byUid: (uid: string) => T | undefined;
  set: (object: T) => Change<T>;
  remove: (uid: string) => T | undefined;
  markSynced: () => void;
}

/** Objects by uid. They are handed out as they are kept: whoever gets one leaves it unchanged. */
export function createStore<T extends KubernetesObject>(
  indexes: Readonly<Record<string, IndexValues<T>>> = {},
): MutableStore<T> {
  const objects = new Map<string, T>();
  const uidByKey = new Map<string, string>();
  const byNamespace = createIndex<T>((object) => [object.metadata.namespace ?? '']);
  const named = new Map<string, Index<T>>([[OWNER, createIndex<T>(ownerOf)]]);
  for (const [name, values] of Object.entries(indexes)) named.set(name, createIndex(values));
  const all = [byNamespace, ...named.values()];
  let synced = false;

  function remove(uid: string): T | undefined {
    const object = objects.get(uid);
    if (object === undefined) return undefined;
    objects.delete(uid);
    const key = keyText(object.metadata);
    if (uidByKey.get(key) === uid) uidByKey.delete(key);
    for (const index of all) index.remove(uid);
    return object;
  }

  return {
    get synced() {
      return synced;
    },
    get size() {
      return objects.size;
    },
    get(key: ObjectKey) {
      const uid = uidByKey.get(keyText(key));
      return uid === undefined ? undefined : objects.get(uid);
    },
    byUid: (uid) => objects.get(uid),
    list: (namespace) =>
      namespace === undefined ? [...objects.values()] : found(objects, byNamespace.find(namespace)),
    byIndex(name, value) {
      const index = named.get(name);
      if (index === undefined) throw new RangeError(`There is no index ${name}`);
      return found(objects, index.find(value));
    },
    set(object) {
      const uid = uidOf(object);
      const key = keyText(object.metadata);
      const other = uidByKey.get(key);
      const displaced = other === undefined || other === uid ? undefined : remove(other);
      const previous = objects.get(uid);
      objects.set(uid, object);
      uidByKey.set(key, uid);
      for (const index of all) index.set(uid, object);
      return { previous, displaced };
    },
    remove,
    markSynced() {
      synced = true;
    },
  };
}

interface Index<T> {
  set: (uid: string, object: T) => void;
  remove: (uid: string) => void;
  find: (value: string) => Iterable<string>;
}

function createIndex<T>(valuesOf: IndexValues<T>): Index<T> {
  const uids = new Map<string, Set<string>>();
  const values = new Map<string, readonly string[]>();
  const remove = (uid: string): void => {
    for (const value of values.get(uid) ?? []) {
      const set = uids.get(value);
      set?.delete(uid);
      if (set?.size === 0) uids.delete(value);
    }
    values.delete(uid);
  };
  return {
    remove,
    set(uid, object) {
      const next = valuesOf(object);
      const before = values.get(uid) ?? [];
      if (next.length === before.length && next.every((value, index) => value === before[index])) return;
      remove(uid);
      if (next.length === 0) return;
      values.set(uid, next);
      for (const value of next) {
        const set = uids.get(value);
        if (set === undefined) uids.set(value, new Set([uid]));
        else set.add(uid);
      }
    },
    find: (value) => uids.get(value) ?? [],
  };
}

function found<T>(objects: ReadonlyMap<string, T>, uids: Iterable<string>): T[] {
  const result: T[] = [];
  for (const uid of uids) {
    const object = objects.get(uid);
    if (object !== undefined) result.push(object);
  }
  return result;
}

function ownerOf({ metadata }: KubernetesObject): readonly string[] {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  return owner === undefined ? [] : [owner.uid];
}

/** @throws TypeError for an object that never was on a server. */
export function uidOf({ kind, metadata }: KubernetesObject): string {
  if (metadata.uid === undefined) throw new TypeError(`${kind} ${metadata.name} has no uid`);
  return metadata.uid;
}
