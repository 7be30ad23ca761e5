import type { OperatorConfig } from '../config.ts';
import type { KubernetesObject, ObjectKey } from '../runtime/types.ts';
import { specChanged } from '../runtime/watches.ts';
import type { Stores } from '../stores.ts';
import { ownerKey, ownKey, presence, tenantsOf, type Wakes } from '../wake.ts';
import { namespaceOf } from './names.ts';

/** What wakes the Tenant controller. */
export function tenantWakes(stores: Stores, config: OperatorConfig): Wakes {
  const owner = ownerKey('Tenant');
  const everyTenant = (): ObjectKey[] => stores.tenants.list().map(ownKey);
  const ofNamespace = (namespace: string): ObjectKey[] => tenantsOf(namespace, stores).map(ownKey);
  /** Workloads concern a tenant only while it is being deleted. */
  const leaving = ({ metadata }: KubernetesObject): ObjectKey[] =>
    tenantsOf(metadata.namespace ?? '', stores)
      .filter((tenant) => tenant.metadata.deletionTimestamp !== undefined)
      .map(ownKey);
  const shared = new Set(config.sharedSecrets.map(({ name }) => name));
  return [
    // Of several with one namespace, the next gets it when the first goes.
    {
      store: 'tenants',
      keys: (tenant) => [ownKey(tenant), ...ofNamespace(namespaceOf(tenant))],
      matters: specChanged,
    },
    { store: 'namespaces', keys: ({ metadata }) => ofNamespace(metadata.name) },
    { store: 'networkPolicies', keys: owner },
    { store: 'resourceQuotas', keys: owner },
    { store: 'limitRanges', keys: owner },
    { store: 'roleBindings', keys: owner },
    { store: 'secrets', keys: owner },
    { store: 'configMaps', keys: owner },
    { store: 'imageServices', keys: ({ metadata }) => ofNamespace(metadata.namespace), matters: presence },
    { store: 'deployments', keys: leaving, matters: presence },
    { store: 'pods', keys: leaving, matters: presence },
    { store: 'systemSecrets', keys: ({ metadata }) => (shared.has(metadata.name) ? everyTenant() : []) },
    {
      store: 'systemConfigMaps',
      keys: ({ metadata }) => (metadata.name === config.assertionJwks.configMap ? everyTenant() : []),
    },
  ];
}
