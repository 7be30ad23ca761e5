import { type Child, childOf } from '../children/child.ts';
import type { OperatorConfig } from '../config.ts';
import type { ResourceQuota, Tenant } from '../kinds.ts';
import { namespaceOf, QUOTA, tenantLabels } from './names.ts';

const SERVICES = 'count/imageservices.imageplane.dev';

/** What the tenant's pods may occupy together, and how many objects there may be. */
export function resourceQuota(
  tenant: Tenant,
  config: Pick<OperatorConfig, 'ceilings'>,
): Child<ResourceQuota> {
  const { requests = {}, services } = tenant.spec.quota ?? {};
  const hard: Record<string, string> = {
    pods: String(config.ceilings.pods),
    services: String(config.ceilings.services),
    'services.nodeports': '0',
    'services.loadbalancers': '0',
  };
  for (const [resource, quantity] of Object.entries(requests))
    hard[`requests.${resource}`] = String(quantity);
  if (services !== undefined) hard[SERVICES] = String(services);
  return childOf({ kind: 'tenants', object: tenant }, 'resourceQuotas', {
    metadata: { name: QUOTA, namespace: namespaceOf(tenant), labels: tenantLabels(tenant) },
    spec: { hard },
  });
}

/** Of what the Tenant bounds, how much is in use, by the names that the Tenant has. */
export function quotaInUse(tenant: Tenant, quota: ResourceQuota | undefined): Record<string, string> {
  const used = quota?.status?.used ?? {};
  return Object.fromEntries(
    Object.keys(tenant.spec.quota?.requests ?? {})
      .sort()
      .flatMap((resource) => {
        const value = used[`requests.${resource}`];
        return value === undefined ? [] : [[resource, value]];
      }),
  );
}
