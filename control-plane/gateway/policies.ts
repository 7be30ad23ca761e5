import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import type { PrincipalEntry } from '../../contracts/principal.ts';
import type { ServiceRoute, Snapshot, TenantPolicy } from '../../contracts/snapshot.ts';
import { type AddressSet, addressSet } from '../access/addresses.ts';
import type { KeyScopes, ServiceConditions } from '../access/decide.ts';

export interface TenantRules {
  limits: TenantPolicy['limits'];
  allowedAddresses: AddressSet;
  unlimitedAddresses: AddressSet;
  /** Whether local accounts may use HTTP Basic. */
  basic: boolean;
}

export interface KnownKey {
  id: string;
  principal: PrincipalEntry;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** Wrapped. */
  signingSecret: string | undefined;
  scopes: KeyScopes;
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
  principals: ReadonlyMap<string, PrincipalEntry>;
  /** Of people at other issuers: the principals that are theirs. */
  links: ReadonlyMap<string, string>;
  issuers: Snapshot['issuers'];
  /** Verifies what the API signs: sessions and tokens. */
  apiKeys: JWTVerifyGetKey;
  /** Sessions and token families that were ended before their time. */
  revoked: ReadonlySet<string>;
  keysByHash: ReadonlyMap<string, KnownKey>;
  keysById: ReadonlyMap<string, KnownKey>;
}

export function compilePolicies(snapshot: Snapshot): Policies {
  const principals = new Map(Object.entries(snapshot.principals));
  const keysByHash = new Map<string, KnownKey>();
  const keysById = new Map<string, KnownKey>();
  for (const [hash, { id, principal: principalId, expiresAt, signingSecret, scopes }] of Object.entries(
    snapshot.keys,
  )) {
    const principal = principals.get(principalId);
    if (principal === undefined) continue;
    const key = {
      id,
      principal,
      expiresAt: expiresAt === undefined ? Infinity : Date.parse(expiresAt),
      signingSecret,
      scopes: {
        services: scopes?.services,
        actions: scopes?.actions,
        addresses: scopes?.cidrs === undefined ? undefined : addressSet(scopes.cidrs),
      },
    };
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
          basic: access.basic,
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
    principals,
    links: new Map(Object.entries(snapshot.links)),
    issuers: snapshot.issuers,
    apiKeys: createLocalJWKSet({ keys: snapshot.sessions.keys }),
    revoked: new Set(snapshot.sessions.revoked),
    keysByHash,
    keysById,
  };
}
