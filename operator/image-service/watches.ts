import { labels } from '../../contracts/workload.ts';
import { modelKeyOf } from '../image-model/gather.ts';
import type { AnyModel } from '../kinds.ts';
import type { KubernetesObject, ObjectKey } from '../runtime/types.ts';
import { specChanged } from '../runtime/watches.ts';
import { BY_MODEL, type Stores } from '../stores.ts';
import { ASSERTION_KEYS, DEFAULT_DENY, namespaceOf, QUOTA } from '../tenant/names.ts';
import { ownerKey, ownKey, presence, type Wakes } from '../wake.ts';

/** What wakes the ImageService controller. */
export function serviceWakes(stores: Stores): Wakes {
  const owner = ownerKey('ImageService');
  const inNamespace = (namespace: string): ObjectKey[] => stores.imageServices.list(namespace).map(ownKey);
  const walls = new Set([DEFAULT_DENY, QUOTA, ASSERTION_KEYS]);
  const wall = ({ metadata }: KubernetesObject): ObjectKey[] =>
    walls.has(metadata.name) ? inNamespace(metadata.namespace ?? '') : [];
  const users = (model: AnyModel): ObjectKey[] =>
    stores.imageServices.byIndex(BY_MODEL, modelKeyOf(model)).map(ownKey);
  return [
    { store: 'imageServices', keys: (service) => [ownKey(service)], matters: specChanged },
    { store: 'serviceAccounts', keys: owner },
    { store: 'configMaps', keys: owner },
    { store: 'networkPolicies', keys: owner },
    { store: 'services', keys: owner },
    { store: 'podDisruptionBudgets', keys: owner },
    { store: 'deployments', keys: owner },
    { store: 'replicaSets', keys: byLabel },
    { store: 'pods', keys: byLabel },
    { store: 'networkPolicies', keys: wall, matters: presence },
    { store: 'resourceQuotas', keys: wall, matters: presence },
    { store: 'configMaps', keys: wall, matters: presence },
    { store: 'tenants', keys: (tenant) => inNamespace(namespaceOf(tenant)), matters: specChanged },
    { store: 'namespaces', keys: ({ metadata }) => inNamespace(metadata.name) },
    { store: 'imageModels', keys: users, matters: specChanged },
    { store: 'clusterImageModels', keys: users, matters: specChanged },
  ];
}

/** Pods and ReplicaSets are not ours, but carry the name of the service. */
function byLabel({ metadata }: KubernetesObject): ObjectKey[] {
  const name = metadata.labels?.[labels.service];
  const { namespace } = metadata;
  return name === undefined || namespace === undefined ? [] : [{ namespace, name }];
}
