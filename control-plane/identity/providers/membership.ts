import { role, type Role } from '../../../contracts/principal.ts';

/** Groups of the identity provider and the roles that a tenant gives them, by tenant: `Tenant.spec.groups`. */
export type TenantGroups = ReadonlyMap<string, readonly { name: string; role: Role }[]>;

export interface Membership {
  tenant: string;
  role: Role;
}

/**
 * Which tenants the groups open, each with the highest role that one of them gives. Only tenants that the provider may
 * speak for: whoever names groups in one provider has no say in the tenants of another. Pure.
 */
export function membershipsOf(
  groups: readonly string[],
  tenants: readonly string[],
  tenantGroups: TenantGroups,
): Membership[] {
  const held = new Set(groups);
  return [...new Set(tenants)].flatMap((tenant) => {
    const roles = (tenantGroups.get(tenant) ?? [])
      .filter(({ name }) => held.has(name))
      .map((group) => group.role);
    // Roles stand from the highest to the lowest.
    const highest = role.options.find((candidate) => roles.includes(candidate));
    return highest === undefined ? [] : [{ tenant, role: highest }];
  });
}
