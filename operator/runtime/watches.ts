import type { StoreChange } from './keeper.ts';
import type { Informer } from './informer.ts';
import { apiVersionOf, keyText } from './resources.ts';
import type { KubernetesObject, ObjectKey, Resource } from './types.ts';

/** Which keys a controller works on when an object of some kind changes. */
export interface Watch {
  /** Keys to work on; those of the object and, where it was something else before, those of that. */
  onChange: (enqueue: (key: ObjectKey, initial: boolean) => void) => void;
  /** Keys of everything in the store now. */
  all: () => ObjectKey[];
  whenSynced: (signal?: AbortSignal) => Promise<void>;
}

interface Options<T> {
  /** Updates for which this says false need no work. */
  matters?: (current: T, previous: T) => boolean;
}

/** Any object to any keys. What `map` throws is logged by the informer. */
export function mapped<T extends KubernetesObject>(
  informer: Informer<T>,
  map: (object: T) => readonly ObjectKey[],
  { matters }: Options<T> = {},
): Watch {
  const keysOf = (change: StoreChange<T>): Iterable<ObjectKey> => {
    if (change.type !== 'updated') return map(change.object);
    const keys = [...map(change.object), ...map(change.previous)];
    return new Map(keys.map((key) => [keyText(key), key])).values();
  };
  return {
    onChange(enqueue) {
      informer.onChange((change) => {
        if (change.type === 'updated' && matters?.(change.object, change.previous) === false) return;
        for (const key of keysOf(change)) enqueue(key, change.initial);
      });
    },
    all: () => informer.list().flatMap(map),
    whenSynced: informer.whenSynced,
  };
}

/** The controller's own kind. */
export function own<T extends KubernetesObject>(informer: Informer<T>, options?: Options<T>): Watch {
  return mapped(informer, ({ metadata }) => [keyOf(metadata)], options);
}

/** Children, to the owner that controls them. */
export function ownedBy<T extends KubernetesObject>(
  informer: Informer<T>,
  owner: Resource,
  options?: Options<T>,
): Watch {
  return mapped(informer, (object) => controllersOf(object, owner), options);
}

function controllersOf({ metadata }: KubernetesObject, owner: Resource): ObjectKey[] {
  const { group } = owner;
  const reference = metadata.ownerReferences?.find(({ controller }) => controller === true);
  if (reference?.kind !== owner.kind || groupOf(reference.apiVersion) !== group) return [];
  return [
    owner.namespaced && metadata.namespace !== undefined
      ? { namespace: metadata.namespace, name: reference.name }
      : { name: reference.name },
  ];
}

/** Another version of the same kind is the same owner. */
function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

/**
 * An update that a controller of this kind acts on: spec (by generation), labels, annotations, finalizers, deletion.
 * Not its own status.
 */
export function specChanged(current: KubernetesObject, previous: KubernetesObject): boolean {
  const told = ({ metadata: m }: KubernetesObject): string =>
    JSON.stringify([
      m.generation,
      m.deletionTimestamp,
      m.labels,
      m.annotations,
      m.finalizers,
      m.ownerReferences,
    ]);
  return told(current) !== told(previous);
}

/** For the controller ownerReference of a child. */
export function ownerReferenceOf(
  resource: Resource,
  { metadata }: KubernetesObject,
): {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller: true;
  blockOwnerDeletion: true;
} {
  if (metadata.uid === undefined) throw new TypeError(`${resource.kind} ${metadata.name} has no uid`);
  return {
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    name: metadata.name,
    uid: metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

function keyOf({ namespace, name }: KubernetesObject['metadata']): ObjectKey {
  return namespace === undefined ? { name } : { namespace, name };
}
