import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { role } from '../../../contracts/principal.ts';
import { membershipsOf } from './membership.ts';

const groupName = fc.constantFrom('designers', 'testers', 'leads', 'everyone', '设计部');
const tenantName: fc.Arbitrary<string> = fc.constantFrom('acme', 'beta', 'gamma');
const tenantGroups = fc
  .dictionary(tenantName, fc.array(fc.record({ name: groupName, role: fc.constantFrom(...role.options) })))
  .map((record) => new Map(Object.entries(record)));
const held = fc.array(groupName);
const spokenFor = fc.array(tenantName);

describe('memberships', () => {
  it('are of the tenants that the provider speaks for, and give the highest role of the groups held', () => {
    fc.assert(
      fc.property(held, spokenFor, tenantGroups, (groups, tenants, known) => {
        const found = membershipsOf(groups, tenants, known);
        for (const tenant of ['acme', 'beta', 'gamma']) {
          const roles = tenants.includes(tenant)
            ? (known.get(tenant) ?? [])
                .filter(({ name }) => groups.includes(name))
                .map((group) => role.options.indexOf(group.role))
            : [];
          const here = found.filter((one) => one.tenant === tenant);
          assert.deepEqual(
            here.map((one) => role.options.indexOf(one.role)),
            roles.length === 0 ? [] : [Math.min(...roles)],
          );
        }
      }),
    );
  });

  it('never become more, or higher, by leaving a group', () => {
    fc.assert(
      fc.property(held, spokenFor, tenantGroups, fc.nat(), (groups, tenants, known, index) => {
        const fewer = groups.filter((_, at) => at !== index % Math.max(1, groups.length));
        const before = new Map(membershipsOf(groups, tenants, known).map((one) => [one.tenant, one.role]));
        for (const { tenant, role: now } of membershipsOf(fewer, tenants, known)) {
          const former = before.get(tenant);
          assert.ok(former !== undefined && role.options.indexOf(now) >= role.options.indexOf(former));
        }
      }),
    );
  });
});
