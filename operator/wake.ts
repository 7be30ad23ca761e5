import { API_GROUP } from '../contracts/workload.ts';
import type { Tenant } from './kinds.ts';
import type { KubernetesObject, ObjectKey } from './runtime/types.ts';
import type { Held, StoreName, Stores } from './stores.ts';
import { namespaceOf } from './tenant/names.ts';
import { controllerOf } from './children/child.ts';

/** Which keys a controller works on when an object of a store comes, changes or goes. */
interface Wake<Name extends StoreName> {
  store: Name;
  keys: (object: Held[Name]) => ObjectKey[];
  /** Updates for which this says false wake nobody. */
  matters?: (current: KubernetesObject, previous: KubernetesObject) => boolean;
}

type AnyWake = { [Name in StoreName]: Wake<Name> }[StoreName];
export type Wakes = readonly AnyWake[];

/** Only that it comes or goes. */
export const presence = (): boolean => false;

/** The owner of a child of ours, of one kind. */
export function ownerKey(kind: string): (object: KubernetesObject) => ObjectKey[] {
  return (object) => {
    const owner = controllerOf(object);
    if (owner?.kind !== kind || !owner.apiVersion.startsWith(`${API_GROUP}/`)) return [];
    const { namespace } = object.metadata;
    return [
      kind === 'Tenant' || namespace === undefined ? { name: owner.name } : { namespace, name: owner.name },
    ];
  };
}

export function ownKey({ metadata }: KubernetesObject): ObjectKey {
  const { namespace, name } = metadata;
  return namespace === undefined ? { name } : { namespace, name };
}

/** Tenants that say a namespace is theirs; there is one, unless somebody made a mistake. */
export function tenantsOf(namespace: string, stores: Stores): Tenant[] {
  return stores.tenants.list().filter((tenant) => namespaceOf(tenant) === namespace);
}
