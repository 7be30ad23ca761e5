import { labels } from '../../contracts/workload.ts';
import { type Child, childOf, isControlledBy } from '../children/child.ts';
import type { Namespace, Tenant } from '../kinds.ts';
import { isNamespaceOf, namespaceOf, tenantLabels } from './names.ts';

const PROFILE = 'restricted';

/** Pod Security of a tenant's namespace: pods that are not restricted are refused by the API server itself. */
export const podSecurity: Readonly<Record<string, string>> = {
  'pod-security.kubernetes.io/enforce': PROFILE,
  'pod-security.kubernetes.io/enforce-version': 'latest',
  'pod-security.kubernetes.io/audit': PROFILE,
  'pod-security.kubernetes.io/warn': PROFILE,
};

/** Who made a tenant's namespace, or why it cannot be the tenant's. */
export type Holding = 'none' | 'own' | 'adopted' | 'leaving' | 'refused';

export function holdingOf(tenant: Tenant, namespace: Namespace | undefined): Holding {
  if (namespace === undefined) return 'none';
  const own = isControlledBy(namespace, tenant);
  if (!own && !isNamespaceOf(namespace, tenant)) return 'refused';
  if (namespace.metadata.deletionTimestamp !== undefined) return 'leaving';
  return own ? 'own' : 'adopted';
}

/** The tenant's own namespace, or of an adopted one, only the labels that are ours to set. */
export function namespaceChild(tenant: Tenant, holding: Holding): Child<Namespace> {
  const name = namespaceOf(tenant);
  if (holding !== 'adopted')
    return childOf({ kind: 'tenants', object: tenant }, 'namespaces', {
      metadata: { name, labels: { ...tenantLabels(tenant), ...podSecurity } },
    });
  const metadata = { name, labels: { [labels.tenant]: tenant.metadata.name, ...podSecurity } };
  return { kind: 'namespaces', object: { apiVersion: 'v1', kind: 'Namespace', metadata }, adopted: true };
}
