import { API_GROUP, labels, MANAGED_BY } from '../../contracts/workload.ts';
import { tenantNamespace } from '../../crds/effective.ts';
import type { Namespace, Tenant } from '../kinds.ts';

/** Field manager of everything that the Tenant controller writes. */
export const FIELD_MANAGER = 'imageplane-tenant';

/** Names by purpose: an order in a list never changes them. */
export const DEFAULT_DENY = 'imageplane-default-deny';
export const QUOTA = 'imageplane-quota';
export const LIMITS = 'imageplane-limits';
export const ASSERTION_KEYS = 'imageplane-assertion-jwks';
export const PAUSED = `${API_GROUP}/paused`;

/** Name of a shared Secret in a tenant's namespace. */
export function secretCopyName(source: string): string {
  return `imageplane-copy-${source}`;
}

export function namespaceOf(tenant: Tenant): string {
  return tenantNamespace(tenant);
}

/** Labels of everything of a tenant. */
export function tenantLabels(tenant: Tenant): Record<string, string> {
  return { [labels.managedBy]: MANAGED_BY, [labels.tenant]: tenant.metadata.name };
}

/** Whether the namespace says that it is this tenant's. The label is only the platform's to write (operator/guards). */
export function isNamespaceOf(namespace: Namespace, tenant: Tenant): boolean {
  const { metadata } = namespace;
  return metadata.name === namespaceOf(tenant) && metadata.labels?.[labels.tenant] === tenant.metadata.name;
}

export function isPaused(tenant: Tenant): boolean {
  return tenant.metadata.annotations?.[PAUSED] === 'true';
}
