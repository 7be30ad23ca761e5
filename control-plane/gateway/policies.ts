import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import type { PrincipalEntry } from '../../contracts/principal.ts';
import type { QuotaBound, ServiceRoute, Snapshot, TenantPolicy } from '../../contracts/snapshot.ts';
import { type AddressSet, addressSet } from '../access/addresses.ts';
import { type Access, compileAccess, compileScopes, type KeyScopes } from '../access/compile.ts';
import { nightOf, type RiskRules } from '../access/risk.ts';
import { actions } from '../access/roles.ts';

export interface TenantRules {
  limits: TenantPolicy['limits'];
  unlimitedAddresses: AddressSet;
  /** Whether local accounts may use HTTP Basic. */
  basic: boolean;
  risk: RiskRules;
}

export interface KnownKey {
  id: string;
  principal: PrincipalEntry;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** Likewise; undefined when nobody knows. */
  createdAt: number | undefined;
  scopes: KeyScopes | undefined;
  /** The actions of its scopes, for the API. */
  actions: string[] | undefined;
  /** Wrapped. */
  signingSecret: string | undefined;
}

/** A key that is confined to services or networks gives nothing on: what it made would not be confined. */
function actionsAtApi(scopes: Snapshot['keys'][string]['scopes']): string[] | undefined {
  if (scopes?.services === undefined && scopes?.cidrs === undefined) return scopes?.actions;
  return (scopes.actions ?? actions).filter((action) => !action.endsWith(':manage'));
}

/** A snapshot made ready for looking things up. Maps, not objects: `__proto__` is no tenant. */
export interface Policies {
  version: string;
  issuedAt: number;
  tenants: ReadonlyMap<string, TenantRules>;
  /** By `{tenant}/{service}`. */
  services: ReadonlyMap<string, ServiceRoute>;
  /** What `decide` goes by. */
  access: Access;
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
  /** By `quotaKey`. */
  quotas: ReadonlyMap<string, readonly QuotaBound[]>;
}

export function compilePolicies(snapshot: Snapshot): Policies {
  const principals = new Map(Object.entries(snapshot.principals));
  const keysByHash = new Map<string, KnownKey>();
  const keysById = new Map<string, KnownKey>();
  for (const [hash, entry] of Object.entries(snapshot.keys)) {
    const principal = principals.get(entry.principal);
    if (principal === undefined) continue;
    const { id, createdAt, expiresAt, scopes, signingSecret } = entry;
    const key: KnownKey = {
      id,
      principal,
      expiresAt: expiresAt === undefined ? Infinity : Date.parse(expiresAt),
      createdAt: createdAt === undefined ? undefined : Date.parse(createdAt),
      scopes: compileScopes(scopes),
      actions: actionsAtApi(scopes),
      signingSecret,
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
          unlimitedAddresses: addressSet(access.unlimitedCidrs),
          basic: access.basic,
          risk: { action: access.risk.action, isNight: nightOf(access.risk.timeZone) },
        },
      ]),
    ),
    services: new Map(Object.entries(snapshot.services)),
    access: compileAccess(snapshot),
    principals,
    links: new Map(Object.entries(snapshot.links)),
    issuers: snapshot.issuers,
    apiKeys: createLocalJWKSet({ keys: snapshot.sessions.keys }),
    revoked: new Set(snapshot.sessions.revoked),
    keysByHash,
    keysById,
    quotas: Map.groupBy(snapshot.quotas, quotaKey),
  };
}

/** Names whose bounds they are. */
export function quotaKey({
  tenant,
  scope,
  subject,
}: Pick<QuotaBound, 'tenant' | 'scope' | 'subject'>): string {
  return JSON.stringify([tenant, scope, subject]);
}
