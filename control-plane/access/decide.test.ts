import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Conditions, CustomRole, Grant } from '../../contracts/access.ts';
import { type PrincipalEntry, role } from '../../contracts/principal.ts';
import { snapshot, type SnapshotInput } from '../../contracts/snapshot.ts';
import { type Asked, type Declared, mayByDocument } from '../../test/support/access-reference.ts';
import { type Access, compileAccess, compileScopes, openTenant } from './compile.ts';
import { type Decision, decide, type Resource } from './decide.ts';
import { effectivePermissions, explain } from './explain.ts';
import { actions, grantableActions } from './roles.ts';

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
const START = Date.parse('2026-03-02T00:00:00Z');
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
const given = <T extends object>(value: T): T =>
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
const declarations: fc.Arbitrary<Declared> = fc.record({
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
    .map((kind) => ({ kind: kind as Resource['kind'], name: undefined })),
);
const questions: fc.Arbitrary<Asked> = fc.record({
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

function compile({ tenants: declared, services: all, roles, grants: gifts }: Declared): Access {
  const input: SnapshotInput = {
    version: '1',
    issuedAt: new Date(START).toISOString(),
    tenants: Object.fromEntries(
      Object.entries(declared).map(([name, { maxKeyAgeDays, ...access }]) => [
        name,
        {
          plan: 'free' as const,
          limits: { requestsPerMinute: 1, requestsPerDay: 0, requestsPerMonth: 0 },
          access: {
            unlimitedCidrs: [],
            ...access,
            ...(maxKeyAgeDays === undefined ? {} : { maxKeyAgeDays }),
          },
        },
      ]),
    ),
    services: Object.fromEntries(
      all.map(({ tenant, name, model, minimumRole, addressSets, conditions: further }) => [
        `${tenant}/${name}`,
        {
          tenant,
          name,
          engine: 'onnx' as const,
          endpoints: [],
          access: { addressSets, ...given({ minimumRole, conditions: further }) },
          ...(model === undefined ? {} : { model }),
          maxBodyBytes: 1,
          timeoutSeconds: 1,
        },
      ]),
    ),
    roles: Object.fromEntries(roles.map((one) => [`${one.tenant}/${one.name}`, one])),
    grants: gifts,
    principals: {},
    keys: {},
  };
  // As a gateway gets it.
  return compileAccess(snapshot.parse(JSON.parse(JSON.stringify(input))));
}

type Question = Parameters<typeof explain>[0];
function questionOf(asked: Asked, access: Access): Question {
  const { principal, action, resource, key, ...circumstances } = asked;
  return {
    principal,
    action: action as Question['action'],
    resource: resource as Resource,
    context: {
      ...circumstances,
      tenant: access.get(resource.tenant),
      key: key && { createdAt: key.createdAt, scopes: compileScopes(key.scopes && given(key.scopes)) },
    },
  };
}
const ask = (asked: Asked, access: Access): Decision => {
  const { principal, action, resource, context } = questionOf(asked, access);
  return decide(principal, action, resource, context);
};

const RUNS = Number(process.env['DECIDE_RUNS'] ?? 2_000);

describe('decide', () => {
  it('agrees with a naive reference written from its documentation, names its rule and says why', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(questions, declarations, (asked, declared) => {
        const decision = ask(asked, compile(declared));
        assert.equal(decision.allow, mayByDocument(asked, declared), decision.rule);
        assert.match(decision.rule, /^[a-z][a-z-]+(:[a-z0-9-]+)*$/);
        assert.match(decision.reason, /\.$/);
        const kind = decision.rule.replace(/:.*/, '');
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }),
      { numRuns: RUNS },
    );
    // A property that never gets to a rule proves nothing of it.
    const rules = [
      ...['tenant-isolation', 'tenant-unknown', 'tenant-addresses', 'tenant-time-windows', 'tenant-key-age'],
      ...['tenant-second-factor', 'service-addresses', 'service-time-windows', 'service-second-factor'],
      ...['service-key-age', 'service-minimum-role', 'risk-second-factor', 'default-deny'],
      ...['key-scope-addresses', 'key-scope-actions', 'key-scope-services', 'role', 'custom-role', 'grant'],
    ];
    assert.deepEqual(
      rules.filter((rule) => !seen.has(rule)),
      [],
      JSON.stringify(Object.fromEntries(seen)),
    );
  });

  it('never gives a principal of one tenant anything of another, whatever was granted', () => {
    fc.assert(
      fc.property(questions, declarations, (asked, declared) => {
        fc.pre(asked.principal.tenant !== asked.resource.tenant);
        const { allow, rule } = ask(asked, compile(declared));
        assert.deepEqual([allow, rule], [false, 'tenant-isolation']);
      }),
      { numRuns: RUNS },
    );
  });

  it('never gives more when a grant, a role or a membership is taken away', () => {
    const without = <T>(all: readonly T[], index: number): T[] => all.filter((_, at) => at !== index);
    fc.assert(
      fc.property(questions, declarations, fc.nat(7), (asked, declared, index) => {
        const before = ask(asked, compile(declared)).allow;
        const { principal } = asked;
        const fewer = [
          ask(asked, compile({ ...declared, grants: without(declared.grants, index) })),
          ask(asked, compile({ ...declared, roles: without(declared.roles, index) })),
          ask(
            { ...asked, principal: { ...principal, customRoles: without(principal.customRoles, index) } },
            compile(declared),
          ),
          ask(
            { ...asked, principal: { ...principal, projects: without(principal.projects, index) } },
            compile(declared),
          ),
        ];
        for (const { allow, rule } of fewer) assert.ok(!allow || before, rule);
      }),
      { numRuns: RUNS / 2 },
    );
  });

  it('lets nobody but the platform administrator manage the platform, and gives guests and viewers no work', () => {
    const may = (name: PrincipalEntry['role'], action: (typeof actions)[number]): boolean =>
      decide(
        { id: 'p', tenant: 't', kind: 'user', name: 'P', department: '', role: name },
        action,
        { kind: 'service', tenant: 't' },
        { tenant: openTenant, at: START, address: '10.0.0.1', secondFactor: false },
      ).allow;
    assert.deepEqual(
      role.options.filter((name) => may(name, 'platform:manage')),
      ['platform-admin'],
    );
    assert.deepEqual(
      role.options.filter((name) => !may(name, 'infer')),
      ['viewer', 'guest'],
    );
  });
});

describe('explain', () => {
  it('gives the same answer, and something that stands in the way exactly when it is no', () => {
    fc.assert(
      fc.property(questions, declarations, (asked, declared) => {
        const question = questionOf(asked, compile(declared));
        const { obstacles, ...decision } = explain(question);
        assert.deepEqual(decision, ask(asked, compile(declared)));
        assert.equal(obstacles.length === 0, decision.allow, decision.rule);
        if (!decision.allow) assert.ok(obstacles.some(({ rule }) => rule === decision.rule));
        for (const { reason, change } of obstacles) {
          assert.match(reason, /\.$/);
          assert.match(change, /\.$/);
        }
      }),
      { numRuns: RUNS / 2 },
    );
  });

  it('lists as effective whatever a grant or role allows by some rule', () => {
    fc.assert(
      fc.property(questions, declarations, (asked, declared) => {
        const { allow, rule } = ask(asked, compile(declared));
        if (!allow) return;
        const held = effectivePermissions(asked.principal, declared, new Date(asked.at));
        assert.ok(
          held.some((one) => one.rule === rule && one.action === asked.action),
          rule,
        );
      }),
      { numRuns: RUNS / 2 },
    );
  });
});
