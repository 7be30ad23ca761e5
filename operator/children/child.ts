import { createHash } from 'node:crypto';
import { type KindName, kinds, apiVersionOf } from '../kinds.ts';
import type { KubernetesObject, OwnerReference } from '../runtime/types.ts';

/** An object that an owner wants to be as it stands here. */
export interface Child<T extends KubernetesObject = KubernetesObject> {
  kind: KindName;
  object: T;
  /** It was there before and has no owner of ours: only what we name in it is ours. */
  adopted?: true;
}

export type Owner = Pick<KubernetesObject, 'apiVersion' | 'kind' | 'metadata'>;

/** Of a child: the SHA-256 of what was last applied, so that a field that is no longer wanted is seen. */
export const APPLIED = 'imageplane.dev/applied';

/**
 * A child as its owner applies it: with the owner as its controller (which is how it is recognised later: a label is
 * anybody's to write) and its own digest.
 */
export function childOf<T extends KubernetesObject>(
  owner: Owner,
  kind: KindName,
  object: Omit<T, 'apiVersion' | 'kind'>,
): Child<T> {
  const full = {
    ...object,
    apiVersion: apiVersionOf(kinds[kind]),
    kind: kinds[kind].kind,
    metadata: { ...object.metadata, ownerReferences: [controllerReference(owner)] },
  };
  return { kind, object: withDigest(full as unknown as T) };
}

export function withDigest<T extends KubernetesObject>(object: T): T {
  const { metadata } = object;
  return {
    ...object,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [APPLIED]: digestOf(object) } },
  };
}

/** Whether the owner controls the object. */
export function isControlledBy(object: KubernetesObject, owner: Owner): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid && owner.metadata.uid !== undefined;
}

export function controllerOf({ metadata }: KubernetesObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true);
}

function controllerReference({ apiVersion, kind, metadata }: Owner): OwnerReference {
  const { name, uid } = metadata;
  if (uid === undefined) throw new Error(`${kind} ${name} has no uid yet and can own nothing`);
  return { apiVersion, kind, name, uid, controller: true };
}

/** SHA-256 of a JSON value, whatever the order of its keys. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
