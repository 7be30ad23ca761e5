import { createHash } from 'node:crypto';
import { type KindName, kinds } from '../kinds.ts';
import { apiVersionOf } from '../runtime/resources.ts';
import type { KubernetesObject, OwnerReference } from '../runtime/types.ts';
import { ownerReferenceOf } from '../runtime/watches.ts';

/** An object that an owner wants to be as it stands here. */
export interface Child<T extends KubernetesObject = KubernetesObject> {
  kind: KindName;
  object: T;
  /** It was there before and has no owner of ours: only what we name in it is ours. */
  adopted?: true;
}

export type Owner = Pick<KubernetesObject, 'apiVersion' | 'kind' | 'metadata'>;
export type OwnerKind = 'tenants' | 'imageServices';

/**
 * A child as its owner applies it: with the owner as its controller, which is how it is recognised later: a label is
 * anybody's to write.
 */
export function childOf<T extends KubernetesObject>(
  owner: { kind: OwnerKind; object: Owner },
  kind: KindName,
  object: Omit<T, 'apiVersion' | 'kind'>,
): Child<T> {
  const full = {
    ...object,
    apiVersion: apiVersionOf(kinds[kind]),
    kind: kinds[kind].kind,
    metadata: { ...object.metadata, ownerReferences: [ownerReferenceOf(kinds[owner.kind], owner.object)] },
  };
  return { kind, object: full as unknown as T };
}

/** Whether the owner controls the object. */
export function isControlledBy(object: KubernetesObject, owner: Owner): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid && owner.metadata.uid !== undefined;
}

export function controllerOf({ metadata }: KubernetesObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** SHA-256 of a JSON value, whatever the order of its keys. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
