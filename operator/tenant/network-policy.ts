import { type Child, childOf } from '../children/child.ts';
import type { NetworkPolicy, Tenant } from '../kinds.ts';
import { DEFAULT_DENY, namespaceOf, tenantLabels } from './names.ts';

/** Nothing in and nothing out. What a service needs, its own policy adds. */
export function defaultDeny(tenant: Tenant): Child<NetworkPolicy> {
  return childOf<NetworkPolicy>({ kind: 'tenants', object: tenant }, 'networkPolicies', {
    metadata: { name: DEFAULT_DENY, namespace: namespaceOf(tenant), labels: tenantLabels(tenant) },
    spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [] },
  });
}
