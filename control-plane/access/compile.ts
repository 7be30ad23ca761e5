import type { Role } from '../../contracts/principal.ts';
import type { ServiceRoute, Snapshot, TenantPolicy } from '../../contracts/snapshot.ts';
import { type AddressSet, addressSet } from './addresses.ts';
import { type CompiledConditions, compileConditions } from './conditions.ts';
import { compileRights, type Rights } from './rights.ts';
import { compileWindows } from './time-windows.ts';

/** What a tenant demands and has given, ready for `decide`. */
export interface TenantAccess {
  /** `addressSets` is empty when it may be used from anywhere. */
  conditions: CompiledConditions;
  /** Of whom a second factor is demanded at sign-in. */
  secondFactor: TenantPolicy['access']['secondFactor'];
  services: ReadonlyMap<string, ServiceAccess>;
  rights: Rights;
}

export interface ServiceAccess {
  minimumRole: Role | undefined;
  conditions: CompiledConditions;
  /** Conditions besides; absent in most. */
  further: CompiledConditions | undefined;
  model: string | undefined;
}

/** What a key may be used for, within what its principal may. */
export interface KeyScopes {
  services: ReadonlySet<string> | undefined;
  actions: ReadonlySet<string> | undefined;
  addresses: AddressSet | undefined;
}

/** By tenant. Maps, not objects: `__proto__` is no tenant. */
export type Access = ReadonlyMap<string, TenantAccess>;

/** A tenant that demands nothing and has given nothing. */
export const openTenant: TenantAccess = {
  conditions: { addressSets: [], secondFactor: false },
  secondFactor: 'Never',
  services: new Map(),
  rights: new Map(),
};

export function compileAccess(
  snapshot: Pick<Snapshot, 'tenants' | 'services' | 'roles' | 'grants'>,
): Map<string, TenantAccess> {
  const byTenant = <T extends { tenant: string }>(all: Iterable<T>): Map<string, T[]> => {
    const sorted = new Map<string, T[]>();
    for (const one of all) {
      const known = sorted.get(one.tenant);
      if (known === undefined) sorted.set(one.tenant, [one]);
      else known.push(one);
    }
    return sorted;
  };
  const services = byTenant(Object.values(snapshot.services));
  const roles = byTenant(Object.values(snapshot.roles));
  const grants = byTenant(snapshot.grants);
  return new Map(
    Object.entries(snapshot.tenants).map(([name, { access }]) => {
      const intranet = addressSet(access.intranetCidrs);
      return [
        name,
        {
          conditions: tenantConditions(access),
          secondFactor: access.secondFactor,
          services: new Map(
            (services.get(name) ?? []).map((service) => [service.name, compileService(service, intranet)]),
          ),
          rights: compileRights(roles.get(name) ?? [], grants.get(name) ?? [], intranet),
        },
      ];
    }),
  );
}

function tenantConditions({
  allowedCidrs,
  timeWindows,
  maxKeyAgeDays,
}: TenantPolicy['access']): CompiledConditions {
  return {
    addressSets: allowedCidrs.length === 0 ? [] : [addressSet(allowedCidrs)],
    timeWindows: timeWindows.length === 0 ? undefined : compileWindows(timeWindows),
    secondFactor: false,
    maxKeyAgeDays,
  };
}

function compileService({ access, model }: ServiceRoute, intranet: AddressSet): ServiceAccess {
  return {
    minimumRole: access.minimumRole,
    conditions: { addressSets: access.addressSets.map((cidrs) => addressSet(cidrs)), secondFactor: false },
    further: compileConditions(access.conditions, intranet),
    model,
  };
}

export function compileScopes(scopes: Snapshot['keys'][string]['scopes']): KeyScopes | undefined {
  if (scopes === undefined) return undefined;
  const { services, actions, cidrs } = scopes;
  return {
    services: services && new Set(services),
    actions: actions && new Set(actions),
    addresses: cidrs && addressSet(cidrs),
  };
}
