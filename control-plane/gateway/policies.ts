import type { Principal } from '../../contracts/principal.ts';
import type { ServiceRoute, Snapshot, TenantPolicy } from '../../contracts/snapshot.ts';
import { type AddressSet, addressSet } from '../access/addresses.ts';
import type { ServiceConditions } from '../access/decide.ts';

export interface TenantRules {
  limits: TenantPolicy['limits'];
  allowedAddresses: AddressSet;
  unlimitedAddresses: AddressSet;
}

export interface KnownKey {
  id: string;
  principal: Principal;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** A snapshot made ready for looking things up. Maps, not objects: `__proto__` is no tenant. */
export interface Policies {
  version: string;
  issuedAt: number;
  tenants: ReadonlyMap<string, TenantRules>;
  /** By `{tenant}/{service}`. */
  services: ReadonlyMap<string, ServiceRoute>;
  /** What each service demands, by the same names. */
  conditions: ReadonlyMap<string, ServiceConditions>;
  keysByHash: ReadonlyMap<string, KnownKey>;
  keysById: ReadonlyMap<string, KnownKey>;
}

export function compilePolicies(snapshot: Snapshot): Policies {
  const principals = new Map(Object.entries(snapshot.principals));
  const keysByHash = new Map<string, KnownKey>();
  const keysById = new Map<string, KnownKey>();
  for (const [hash, { id, principal: principalId, expiresAt }] of Object.entries(snapshot.keys)) {
    const principal = principals.get(principalId);
    if (principal === undefined) continue;
    const key = { id, principal, expiresAt: expiresAt === undefined ? Infinity : Date.parse(expiresAt) };
    keysByHash.set(hash, key);
    keysById.set(id, key);
  }
  return {
    version: snapshot.version,
    issuedAt: Date.parse(snapshot.issuedAt),
    tenants: new Map(
      Object.entries(snapshot.tenants).map(([name, { limits, access }]) => [
        name,
        {
          limits,
          allowedAddresses: addressSet(access.allowedCidrs),
          unlimitedAddresses: addressSet(access.unlimitedCidrs),
        },
      ]),
    ),
    services: new Map(Object.entries(snapshot.services)),
    conditions: new Map(
      Object.entries(snapshot.services).map(([id, { access }]) => [
        id,
        {
          minimumRole: access.minimumRole,
          addressSets: access.addressSets.map((cidrs) => addressSet(cidrs)),
        },
      ]),
    ),
    keysByHash,
    keysById,
  };
}
