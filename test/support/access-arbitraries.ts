import fc from 'fast-check';
import type { Conditions, CustomRole, Grant } from '../../contracts/access.ts';
import { type PrincipalEntry, role } from '../../contracts/principal.ts';
import { actions, grantableActions } from '../../control-plane/access/roles.ts';
import type { Asked, Declared } from './access-reference.ts';

// Few values of each, so that they meet.
const tenantNames = fc.constantFrom('acme', 'acme', 'acme', 'acme', 'burp');
const ids = fc.constantFrom('ada', 'bob');
const roleNames = fc.constantFrom('loader', 'looker');
const projects = fc.constantFrom('spring', 'fall');
const addresses = fc.constantFrom('10.1.2.3', '10.200.0.1', '192.0.2.7', '198.51.100.1');
const cidrs = fc.uniqueArray(fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '192.0.2.7/32', '0.0.0.0/0'), {
  minLength: 1,
  maxLength: 2,
});
export const START = Date.parse('2026-03-02T00:00:00Z');
// Two weeks in which New York changes to summer time.
const times = fc.integer({ min: 0, max: 14 * 24 * 60 }).map((minute) => START + minute * 60_000 + 1);
const hours = fc.constantFrom('00:00', '06:30', '09:00', '17:59', '22:00');
const windows = fc
  .record({
    days: fc.uniqueArray(fc.constantFrom('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'), { minLength: 1 }),
    from: hours,
    to: fc.oneof(hours, fc.constant('24:00')),
    timeZone: fc.constantFrom('UTC', 'Asia/Shanghai', 'America/New_York', 'Asia/Kathmandu'),
  })
  .filter(({ from, to }) => from !== to) as fc.Arbitrary<NonNullable<Conditions['timeWindows']>[number]>;
const sometimes = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 2 });
/** Mostly not, since each of them refuses most of what is asked. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ arbitrary: fc.constant(undefined), weight: 5 }, { arbitrary, weight: 1 });
/** Without the fields that are undefined. */
export const given = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;
const conditions: fc.Arbitrary<Conditions | undefined> = sometimes(
  fc
    .record({
      allowedCidrs: sometimes(cidrs),
      intranetOnly: sometimes(fc.boolean()),
      timeWindows: sometimes(fc.array(windows, { minLength: 1, maxLength: 2 })),
      secondFactor: sometimes(fc.boolean()),
      maxKeyAgeDays: sometimes(fc.constantFrom(1, 30)),
    })
    .map(given),
);
const services = fc.constantFrom('cutout', 'cutout-2', 'swap');
const models = fc.constantFrom('isnet', 'u2net');
const folders = fc.constantFrom('inbox', 'inbox/may', 'inboxes', 'campaigns/spring');
const patterns = fc.oneof(
  services.map((name) => `service:${name}`),
  models.map((name) => `model:${name}`),
  folders.map((name) => `folder:${name}`),
  fc.constantFrom('service:*', 'service:cut*', 'model:*', 'folder:inbox*', 'folder:campaigns/*'),
);
const permissions = fc.record({
  actions: fc.uniqueArray(fc.constantFrom(...grantableActions), { minLength: 1, maxLength: 4 }),
  resources: fc.uniqueArray(patterns, { minLength: 1, maxLength: 3 }),
});
const customRoles: fc.Arbitrary<CustomRole> = fc
  .record({
    tenant: tenantNames,
    name: roleNames,
    permissions: fc.array(permissions, { minLength: 1, maxLength: 2 }),
    conditions,
  })
  .map((one) => given(one) as CustomRole);
const grants: fc.Arbitrary<Grant> = fc
  .record({
    id: fc.uuid(),
    tenant: tenantNames,
    subject: fc.oneof(
      fc.record({ kind: fc.constant('principal' as const), id: ids }),
      fc.record({ kind: fc.constant('project' as const), id: projects }),
      fc.record({
        kind: fc.constant('role' as const),
        id: fc.oneof(roleNames, fc.constantFrom(...role.options)),
      }),
    ),
    permission: permissions,
    conditions,
    expiresAt: sometimes(times.map((at) => new Date(at).toISOString())),
  })
  .map((one) => given(one) as Grant);
const tenants = fc.record({
  allowedCidrs: seldom(cidrs).map((some = []) => some),
  intranetCidrs: fc.oneof(fc.constant([]), cidrs),
  timeWindows: fc.oneof(
    { arbitrary: fc.constant([]), weight: 3 },
    { arbitrary: fc.array(windows, { minLength: 1, maxLength: 2 }), weight: 1 },
  ),
  maxKeyAgeDays: seldom(fc.constantFrom(1, 30)),
  secondFactor: fc.constantFrom(
    'Never' as const,
    'Never' as const,
    'Never' as const,
    'Administrators' as const,
    'Always' as const,
  ),
});
export const declarations: fc.Arbitrary<Declared> = fc.record({
  tenants: fc
    .record({ acme: tenants })
    .chain(({ acme }) =>
      sometimes(tenants).map((burp) => (burp === undefined ? { acme } : { acme, burp })),
    ) as fc.Arbitrary<Declared['tenants']>,
  services: fc.uniqueArray(
    fc.record({
      tenant: tenantNames,
      name: services,
      model: sometimes(models),
      minimumRole: seldom(fc.constantFrom(...role.options)),
      addressSets: fc.oneof(
        { arbitrary: fc.constant<string[][]>([]), weight: 3 },
        { arbitrary: fc.array(fc.oneof(cidrs, fc.constant<string[]>([])), { maxLength: 2 }), weight: 1 },
      ),
      conditions,
    }),
    { maxLength: 4, selector: ({ tenant, name }) => `${tenant}/${name}` },
  ),
  roles: fc.uniqueArray(customRoles, { maxLength: 4, selector: ({ tenant, name }) => `${tenant}/${name}` }),
  grants: fc.array(grants, { maxLength: 8 }),
});
const principals: fc.Arbitrary<PrincipalEntry> = fc.record({
  id: ids,
  tenant: tenantNames,
  kind: fc.constantFrom('user' as const, 'application' as const),
  name: fc.string({ minLength: 1 }),
  department: fc.string(),
  role: fc.oneof(fc.constantFrom(...role.options), fc.constant('guest' as const)),
  epoch: fc.constant(0),
  customRoles: fc.uniqueArray(roleNames),
  projects: fc.uniqueArray(projects),
});
const resources = fc.oneof(
  { arbitrary: services.map((name) => ({ kind: 'service' as const, name })), weight: 3 },
  models.map((name) => ({ kind: 'model' as const, name })),
  fc.oneof(folders, fc.constant('inbox/may/1')).map((name) => ({ kind: 'folder' as const, name })),
  fc
    .constantFrom('key', 'account', 'usage', 'audit', 'api', 'project')
    .map((kind) => ({ kind, name: undefined })),
);
export const questions: fc.Arbitrary<Asked> = fc.record({
  principal: principals,
  action: fc.oneof(fc.constantFrom(...actions), fc.constantFrom(...grantableActions)),
  resource: fc
    .tuple(resources, tenantNames, sometimes(ids))
    .map(([one, tenant, owner]) => ({ ...one, tenant, owner })),
  at: times,
  address: addresses,
  secondFactor: fc.boolean(),
  vouched: fc.boolean(),
  risky: fc.constantFrom(false, false, false, true),
  key: sometimes(
    fc.record({
      createdAt: sometimes(fc.integer({ min: -60, max: 0 }).map((day) => START + day * 86_400_000)),
      scopes: seldom(
        fc.record({
          services: sometimes(fc.uniqueArray(services, { minLength: 1 })),
          actions: sometimes(fc.uniqueArray(fc.constantFrom(...actions), { minLength: 1 })),
          cidrs: sometimes(cidrs),
        }),
      ),
    }),
  ),
});
