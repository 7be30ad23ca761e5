import type { Conditions, CustomRole, Grant } from '../../contracts/access.ts';
import type { PrincipalEntry, Role } from '../../contracts/principal.ts';

/**
 * Access as docs/access.md tells it, sentence by sentence and as slowly as it likes: no index, no compiled form, and
 * nothing of the product but its types.
 */
export interface Asked {
  principal: PrincipalEntry;
  action: string;
  resource: { kind: string; tenant: string; name?: string | undefined; owner?: string | undefined };
  at: number;
  address: string;
  secondFactor: boolean;
  vouched: boolean;
  risky: boolean;
  key:
    | {
        createdAt: number | undefined;
        scopes:
          | { services?: string[] | undefined; actions?: string[] | undefined; cidrs?: string[] | undefined }
          | undefined;
      }
    | undefined;
}

export interface Declared {
  tenants: Record<
    string,
    {
      allowedCidrs: string[];
      intranetCidrs: string[];
      timeWindows: NonNullable<Conditions['timeWindows']>;
      maxKeyAgeDays: number | undefined;
      secondFactor: 'Never' | 'Administrators' | 'Always';
    }
  >;
  services: {
    tenant: string;
    name: string;
    model: string | undefined;
    minimumRole: Role | undefined;
    addressSets: string[][];
    conditions: Conditions | undefined;
  }[];
  roles: CustomRole[];
  grants: Grant[];
}

const RANK: Record<Role, number> = {
  'platform-admin': 7,
  'tenant-admin': 6,
  developer: 5,
  editor: 4,
  tester: 3,
  viewer: 2,
  guest: 1,
};

/** The table of built-in roles. */
const ANY: Record<string, string> = {
  developer: 'api:call view infer test edit export upload download usage:read services:manage',
  editor: 'api:call view infer test edit export upload download',
  tester: 'api:call view infer test',
  viewer: 'api:call view',
  guest: 'api:call view',
};
const OWN: Record<string, string> = {
  developer: 'delete keys:manage projects:manage',
  editor: 'delete keys:manage usage:read projects:manage',
  tester: 'keys:manage usage:read',
  viewer: 'export download usage:read',
  guest: '',
};

const bits = (address: string): string =>
  address
    .split('.')
    .map((part) => Number(part).toString(2).padStart(8, '0'))
    .join('');
function inCidr(address: string, cidr: string): boolean {
  const [network = '', length = '32'] = cidr.split('/');
  return bits(address).slice(0, Number(length)) === bits(network).slice(0, Number(length));
}
const inAny = (address: string, cidrs: readonly string[]): boolean =>
  cidrs.some((cidr) => inCidr(address, cidr));

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
function inWindow(
  at: number,
  { days, from, to, timeZone }: NonNullable<Conditions['timeWindows']>[number],
): boolean {
  // The wall clock there, read as if it were one of UTC.
  const wall = new Date(`${new Date(at).toLocaleString('sv-SE', { timeZone }).replace(' ', 'T')}Z`);
  const time = wall.toISOString().slice(11, 16);
  const today = DAYS[wall.getUTCDay()];
  const yesterday = DAYS[(wall.getUTCDay() + 6) % 7];
  const begins = (day: string | undefined): boolean => days.some((one) => one === day);
  if (from < to) return begins(today) && time >= from && time < to;
  return (begins(today) && time >= from) || (begins(yesterday) && time < to);
}

function meets(asked: Asked, conditions: Conditions | undefined, intranet: readonly string[]): boolean {
  const { allowedCidrs, intranetOnly, timeWindows, secondFactor, maxKeyAgeDays } = conditions ?? {};
  if (allowedCidrs !== undefined && !inAny(asked.address, allowedCidrs)) return false;
  if (intranetOnly === true && !inAny(asked.address, intranet)) return false;
  if (timeWindows !== undefined && !timeWindows.some((window) => inWindow(asked.at, window))) return false;
  if (secondFactor === true && !asked.secondFactor) return false;
  return maxKeyAgeDays === undefined || asked.key === undefined || isYounger(asked, maxKeyAgeDays);
}
function isYounger({ key, at }: Asked, days: number): boolean {
  return key?.createdAt !== undefined && (at - key.createdAt) / 1000 / 3600 / 24 < days;
}

/** Whether a pattern stands for a resource. */
export function matchesPattern(pattern: string, resource: string): boolean {
  const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  if (pattern.endsWith('*')) return new RegExp(`^${literal(pattern.slice(0, -1))}`).test(resource);
  return (
    resource === pattern ||
    (pattern.startsWith('folder:') && new RegExp(`^${literal(pattern)}/`).test(resource))
  );
}

function byBuiltInRole({ principal, action, resource }: Asked): boolean {
  if (principal.role === 'platform-admin') return true;
  if (principal.role === 'tenant-admin') return action !== 'platform:manage';
  if (action === 'export' && resource.kind === 'model') return false;
  const listed = (table: Record<string, string>): boolean =>
    (table[principal.role] ?? '').split(' ').includes(action);
  return listed(ANY) || (listed(OWN) && resource.owner === principal.id);
}

function byGifts(asked: Asked, declared: Declared): boolean {
  const { principal, action, resource, at } = asked;
  if (resource.name === undefined) return false;
  const intranet = declared.tenants[resource.tenant]?.intranetCidrs ?? [];
  const service = serviceOf(asked, declared);
  const names = [`${resource.kind}:${resource.name}`];
  if (service?.model !== undefined) names.push(`model:${service.model}`);
  const gives = ({ actions, resources }: Grant['permission']): boolean =>
    actions.includes(action) &&
    resources.some((pattern) => names.some((name) => matchesPattern(pattern, name)));
  const byRole = declared.roles.some(
    (role) =>
      role.tenant === resource.tenant &&
      principal.customRoles.includes(role.name) &&
      role.permissions.some(gives) &&
      meets(asked, role.conditions, intranet),
  );
  const isMine = ({ kind, id }: Grant['subject']): boolean =>
    (kind === 'principal' && id === principal.id) ||
    (kind === 'project' && principal.projects.includes(id)) ||
    (kind === 'role' && (principal.customRoles.includes(id) || principal.role === id));
  const byGrant = declared.grants.some(
    (grant) =>
      grant.tenant === resource.tenant &&
      isMine(grant.subject) &&
      gives(grant.permission) &&
      (grant.expiresAt === undefined || Date.parse(grant.expiresAt) > at) &&
      meets(asked, grant.conditions, intranet),
  );
  return byRole || byGrant;
}

function serviceOf({ resource }: Asked, { services }: Declared): Declared['services'][number] | undefined {
  if (resource.kind !== 'service') return undefined;
  return services.find(({ tenant, name }) => tenant === resource.tenant && name === resource.name);
}

function withinScopes({ key, action, resource, address }: Asked): boolean {
  const { services, actions, cidrs } = key?.scopes ?? {};
  if (cidrs !== undefined && !inAny(address, cidrs)) return false;
  if (actions !== undefined && !actions.includes(action)) return false;
  if (services === undefined) return true;
  if (resource.kind !== 'service') return actions?.includes(action) === true;
  return resource.name !== undefined && services.includes(resource.name);
}

function withFactor(asked: Asked, demanded: Declared['tenants'][string]['secondFactor']): boolean {
  const { principal, secondFactor, vouched } = asked;
  if (principal.kind !== 'user' || secondFactor || demanded === 'Never') return true;
  if (demanded === 'Always') return false;
  return vouched || RANK[principal.role] < RANK['tenant-admin'];
}

function withinTenant(asked: Asked, tenant: Declared['tenants'][string]): boolean {
  const { address, at, key } = asked;
  const { allowedCidrs, timeWindows, maxKeyAgeDays } = tenant;
  if (allowedCidrs.length > 0 && !inAny(address, allowedCidrs)) return false;
  if (timeWindows.length > 0 && !timeWindows.some((window) => inWindow(at, window))) return false;
  if (maxKeyAgeDays !== undefined && key !== undefined && !isYounger(asked, maxKeyAgeDays)) return false;
  return withFactor(asked, tenant.secondFactor);
}

function withinService(asked: Asked, declared: Declared, intranet: readonly string[]): boolean {
  const service = serviceOf(asked, declared);
  if (service === undefined) return true;
  const { addressSets, conditions, minimumRole } = service;
  return (
    addressSets.every((set) => inAny(asked.address, set)) &&
    meets(asked, conditions, intranet) &&
    (minimumRole === undefined || RANK[asked.principal.role] >= RANK[minimumRole])
  );
}

export function mayByDocument(asked: Asked, declared: Declared): boolean {
  const { principal, resource, risky, secondFactor } = asked;
  if (principal.tenant !== resource.tenant) return false;
  const tenant = declared.tenants[resource.tenant];
  if (tenant === undefined || !withinScopes(asked) || !withinTenant(asked, tenant)) return false;
  if (!withinService(asked, declared, tenant.intranetCidrs)) return false;
  if (risky && principal.kind === 'user' && !secondFactor) return false;
  return byBuiltInRole(asked) || byGifts(asked, declared);
}
