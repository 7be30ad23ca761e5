import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Grant } from '../../contracts/access.ts';
import { type PrincipalEntry, role } from '../../contracts/principal.ts';
import { type Snapshot, snapshot, type SnapshotInput } from '../../contracts/snapshot.ts';
import { declarations, given, questions, START } from '../../test/support/access-arbitraries.ts';
import { type Asked, type Declared, mayByDocument } from '../../test/support/access-reference.ts';
import { type Access, compileAccess, compileScopes, openTenant } from './compile.ts';
import { type Decision, decide, type Resource } from './decide.ts';
import { effectivePermissions, explain } from './explain.ts';
import type { actions } from './roles.ts';

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

  it('holds a key to its scopes: services, actions and addresses', () => {
    const ask = (
      scopes: Snapshot['keys'][string]['scopes'],
      action: (typeof actions)[number],
      resource: Resource,
      address = '10.0.0.1',
    ): string =>
      decide(
        { id: 'p', tenant: 't', kind: 'application', name: 'P', department: '', role: 'tenant-admin' },
        action,
        resource,
        {
          ...{ tenant: openTenant, at: START, address, secondFactor: false },
          key: { createdAt: undefined, scopes: compileScopes(scopes) },
        },
      ).rule;
    const cutout: Resource = { kind: 'service', tenant: 't', name: 'cutout' };
    const other: Resource = { kind: 'service', tenant: 't', name: 'other' };
    const api: Resource = { kind: 'api', tenant: 't' };
    assert.equal(ask({}, 'infer', other), 'role:tenant-admin');
    assert.equal(ask({ services: ['cutout'] }, 'infer', cutout), 'role:tenant-admin');
    assert.equal(ask({ services: ['cutout'] }, 'infer', other), 'key-scope-services');
    assert.equal(ask({ services: ['cutout'] }, 'api:call', api), 'key-scope-services');
    assert.equal(
      ask({ services: ['cutout'], actions: ['infer', 'api:call'] }, 'api:call', api),
      'role:tenant-admin',
    );
    assert.equal(ask({ actions: ['view'] }, 'infer', cutout), 'key-scope-actions');
    const office = { cidrs: ['10.0.0.0/8'] };
    assert.equal(ask(office, 'infer', cutout), 'role:tenant-admin');
    assert.equal(ask(office, 'infer', cutout, '192.0.2.1'), 'key-scope-addresses');
  });
});

describe('decide, case by case', () => {
  const person: PrincipalEntry = {
    ...{ id: 'ada', tenant: 'acme', kind: 'user', name: 'Ada', department: '', role: 'guest' },
    ...{ epoch: 0, customRoles: [], projects: [] },
  };
  const asked: Asked = {
    principal: person,
    action: 'infer',
    resource: { kind: 'service', tenant: 'acme', name: 'cutout' },
    ...{ at: START, address: '10.1.2.3', secondFactor: false, vouched: false, risky: false, key: undefined },
  };
  const declared = (changes: Partial<Declared['tenants'][string]>, given: Partial<Grant> = {}): Declared => ({
    tenants: {
      acme: {
        ...{ allowedCidrs: [], intranetCidrs: [], timeWindows: [], maxKeyAgeDays: undefined },
        secondFactor: 'Never',
        ...changes,
      },
    },
    services: [],
    roles: [],
    grants: [
      {
        id: 'g',
        tenant: 'acme',
        subject: { kind: 'principal', id: 'ada' },
        permission: { actions: ['infer', 'upload'], resources: ['service:cutout', 'folder:inbox'] },
        ...given,
      },
    ],
  });
  const ruleOf = (one: Asked, all: Declared): string => {
    const decision = ask(one, compile(all));
    assert.equal(decision.allow, mayByDocument(one, all));
    return decision.rule;
  };

  it('takes a folder for what is in it, and not for one whose name only begins like it', () => {
    const folder = (name: string): Asked => ({
      ...asked,
      action: 'upload',
      resource: { kind: 'folder', tenant: 'acme', name },
    });
    assert.deepEqual(
      ['inbox', 'inbox/may', 'inbox/may/1', 'inboxes', 'inbo'].map((name) =>
        ruleOf(folder(name), declared({})),
      ),
      ['grant:g', 'grant:g', 'grant:g', 'default-deny', 'default-deny'],
    );
  });

  it('knows the intranet of the tenant alone, and nobody in it where there is none', () => {
    const intranetOnly = { conditions: { intranetOnly: true } };
    const among = (intranetCidrs: string[]): string =>
      ruleOf(asked, declared({ intranetCidrs }, intranetOnly));
    assert.deepEqual([['10.0.0.0/8'], ['192.0.2.0/24'], []].map(among), [
      'grant:g',
      'default-deny',
      'default-deny',
    ]);
  });

  it('trusts a provider that says nothing for administrators, and not where everybody must show a second factor', () => {
    const admin = { ...asked, principal: { ...person, role: 'tenant-admin' as const } };
    const rules = (['Administrators', 'Always'] as const).flatMap((secondFactor) =>
      [{}, { vouched: true }, { secondFactor: true }].map((how) =>
        ruleOf({ ...admin, ...how }, declared({ secondFactor })),
      ),
    );
    const [yes, no] = ['role:tenant-admin', 'tenant-second-factor'];
    assert.deepEqual(rules, [no, yes, yes, no, no, yes]);
    const program = { ...asked, principal: { ...person, kind: 'application' as const } };
    assert.equal(ruleOf(program, declared({ secondFactor: 'Always' })), 'grant:g');
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
