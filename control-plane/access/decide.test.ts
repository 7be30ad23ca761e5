import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Principal, role, type Role } from '../../contracts/principal.ts';
import { addressSet } from './addresses.ts';
import { type AccessContext, decide, type KeyScopes, type Resource } from './decide.ts';
import { actions, builtInRoles } from './roles.ts';

const names = fc.constantFrom('acme', 'burp', 'a', '', '__proto__');
const ids = fc.constantFrom('ada', 'bob', 'eve');
const principals: fc.Arbitrary<Principal> = fc.record({
  id: ids,
  tenant: names,
  kind: fc.constantFrom('user' as const, 'application' as const),
  name: fc.string({ minLength: 1 }),
  department: fc.string(),
  role: fc.constantFrom(...role.options),
});
const resources: fc.Arbitrary<Resource> = fc.record(
  {
    kind: fc.constantFrom('service' as const, 'key' as const, 'usage' as const, 'audit' as const),
    tenant: names,
    name: fc.string(),
    owner: ids,
  },
  { requiredKeys: ['kind', 'tenant'] },
);
const cidrs = fc.constantFrom<string[][]>(
  [],
  ['10.0.0.0/8'],
  ['2001:db8::/32', '192.0.2.7/32'],
  ['nonsense'],
);
interface Conditions {
  context: AccessContext;
  cidrs: string[] | undefined;
  service: { minimumRole: Role | undefined; sets: string[][] } | undefined;
}
const contexts: fc.Arbitrary<Conditions> = fc
  .record({
    address: fc.constantFrom('10.1.2.3', '192.0.2.7', '2001:db8::1', '198.51.100.1', 'nonsense'),
    cidrs: fc.option(cidrs, { nil: undefined }),
    service: fc.option(
      fc.record({
        minimumRole: fc.option(fc.constantFrom(...role.options), { nil: undefined }),
        sets: fc.array(cidrs, { maxLength: 2 }),
      }),
      { nil: undefined },
    ),
  })
  .map(({ address, cidrs, service }) => ({
    cidrs,
    service,
    context: {
      address,
      tenant: cidrs && { allowedAddresses: addressSet(cidrs) },
      ...(service === undefined
        ? {}
        : { service: { minimumRole: service.minimumRole, addressSets: service.sets.map(addressSet) } }),
    },
  }));
const questions = fc.tuple(principals, fc.constantFrom(...actions), resources, contexts);

describe('decide', () => {
  it('never gives a principal of one tenant anything of another', () => {
    fc.assert(
      fc.property(questions, ([principal, action, resource, { context }]) => {
        fc.pre(principal.tenant !== resource.tenant);
        const { allow, rule } = decide(principal, action, resource, context);
        assert.deepEqual([allow, rule], [false, 'tenant-isolation']);
      }),
    );
  });

  it('agrees with a naive reference, and always names its rule and says why in a sentence', () => {
    const inside: Record<string, string[]> = {
      '10.0.0.0/8': ['10.1.2.3'],
      '2001:db8::/32': ['2001:db8::1'],
      '192.0.2.7/32': ['192.0.2.7'],
    };
    fc.assert(
      fc.property(questions, ([principal, action, resource, { context, cidrs, service }]) => {
        const holds = (set: string[]): boolean => set.some((cidr) => inside[cidr]?.includes(context.address));
        const rank: Record<Role, number> = {
          'platform-admin': 7,
          'tenant-admin': 6,
          developer: 5,
          editor: 4,
          tester: 3,
          viewer: 2,
          guest: 1,
        };
        const may =
          principal.tenant === resource.tenant &&
          cidrs !== undefined &&
          (cidrs.length === 0 || holds(cidrs)) &&
          (service === undefined || service.sets.every(holds)) &&
          rank[principal.role] >= (service?.minimumRole === undefined ? 0 : rank[service.minimumRole]) &&
          (builtInRoles[principal.role].any.includes(action) ||
            (builtInRoles[principal.role].own.includes(action) && resource.owner === principal.id));
        const decision = decide(principal, action, resource, context);
        assert.equal(decision.allow, may);
        assert.match(decision.rule, /^[a-z][a-z:-]+$/);
        assert.match(decision.reason, /\.$/);
      }),
      { numRuns: 1_000 },
    );
  });

  it('lets nobody but the platform administrator manage the platform, and gives guests and viewers no work', () => {
    const open: AccessContext = { address: '10.0.0.1', tenant: { allowedAddresses: addressSet([]) } };
    const may = (name: Principal['role'], action: (typeof actions)[number]): boolean =>
      decide(
        { id: 'p', tenant: 't', kind: 'user', name: 'P', department: '', role: name },
        action,
        { kind: 'service', tenant: 't' },
        open,
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
      scopes: KeyScopes,
      action: (typeof actions)[number],
      resource: Resource,
      address = '10.0.0.1',
    ): string =>
      decide(
        { id: 'p', tenant: 't', kind: 'application', name: 'P', department: '', role: 'tenant-admin' },
        action,
        resource,
        { address, tenant: { allowedAddresses: addressSet([]) }, scopes },
      ).rule;
    const cutout: Resource = { kind: 'service', tenant: 't', name: 'cutout' };
    const other: Resource = { kind: 'service', tenant: 't', name: 'other' };
    const api: Resource = { kind: 'api', tenant: 't' };
    assert.equal(ask({}, 'infer', other), 'role:tenant-admin');
    assert.equal(ask({ services: ['cutout'] }, 'infer', cutout), 'role:tenant-admin');
    assert.equal(ask({ services: ['cutout'] }, 'infer', other), 'key-services');
    assert.equal(ask({ services: ['cutout'] }, 'api:call', api), 'key-services');
    assert.equal(
      ask({ services: ['cutout'], actions: ['infer', 'api:call'] }, 'api:call', api),
      'role:tenant-admin',
    );
    assert.equal(ask({ actions: ['view'] }, 'infer', cutout), 'key-actions');
    const office = { addresses: addressSet(['10.0.0.0/8']) };
    assert.equal(ask(office, 'infer', cutout), 'role:tenant-admin');
    assert.equal(ask(office, 'infer', cutout, '192.0.2.1'), 'key-addresses');
  });
});
