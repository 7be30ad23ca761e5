import type { Child } from '../children/child.ts';
import type { OperatorConfig } from '../config.ts';
import { assertionKeys, secretCopies } from './copies.ts';
import type { GatheredTenant } from './gather.ts';
import { limitRange } from './limit-range.ts';
import { defaultDeny } from './network-policy.ts';
import { resourceQuota } from './resource-quota.ts';
import { roleBindings } from './role-bindings.ts';

/** Everything in the tenant's namespace, walls before doors: nothing may run before the policy and the quota stand. */
export function tenantChildren(gathered: GatheredTenant, config: OperatorConfig): Child[] {
  const { tenant, shared, assertionKeys: keys } = gathered;
  return [
    defaultDeny(tenant),
    resourceQuota(tenant, config),
    limitRange(tenant),
    ...secretCopies(tenant, shared),
    ...(keys === undefined ? [] : [assertionKeys(tenant, keys)]),
    ...roleBindings(tenant, config),
  ];
}
