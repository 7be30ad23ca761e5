import { type Child, childOf } from '../children/child.ts';
import type { OperatorConfig } from '../config.ts';
import type { Tenant } from '../kinds.ts';
import type { KubernetesObject } from '../runtime/types.ts';
import { namespaceOf, tenantLabels } from './names.ts';

interface RoleBinding extends KubernetesObject {
  roleRef: { apiGroup: string; kind: 'ClusterRole'; name: string };
  subjects: { apiGroup: string; kind: 'Group'; name: string }[];
}
type Role = NonNullable<Tenant['spec']['groups']>[number]['role'];

const API_GROUP = 'rbac.authorization.k8s.io';

/** The ClusterRole of operator/guards that members of a role get in the tenant's namespace. */
const bindings = [
  {
    name: 'imageplane-developers',
    clusterRole: 'imageplane:developer',
    roles: ['tenant-admin', 'developer'],
  },
  { name: 'imageplane-viewers', clusterRole: 'imageplane:viewer', roles: ['editor', 'tester', 'viewer'] },
] as const satisfies { name: string; clusterRole: string; roles: Role[] }[];

/** Groups of the cluster itself, such as system:authenticated: everybody would be in the tenant. */
export function isSystemGroup(name: string): boolean {
  return name.startsWith('system:');
}

/** One binding for each ClusterRole that has a group; guests get none. */
export function roleBindings(tenant: Tenant, { groupPrefix }: Pick<OperatorConfig, 'groupPrefix'>): Child[] {
  return bindings.flatMap(({ name, clusterRole, roles }) => {
    const groups = (tenant.spec.groups ?? [])
      .filter(({ role }) => (roles as readonly Role[]).includes(role))
      .map((group) => `${groupPrefix}${group.name}`)
      .filter((group) => !isSystemGroup(group))
      .sort();
    if (groups.length === 0) return [];
    return [
      childOf<RoleBinding>({ kind: 'tenants', object: tenant }, 'roleBindings', {
        metadata: { name, namespace: namespaceOf(tenant), labels: tenantLabels(tenant) },
        roleRef: { apiGroup: API_GROUP, kind: 'ClusterRole', name: clusterRole },
        subjects: groups.map((group) => ({ apiGroup: API_GROUP, kind: 'Group', name: group })),
      }),
    ];
  });
}
