import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { role, type Role } from '../../contracts/principal.ts';
import fc from 'fast-check';
import type { EffectivePermission } from './explain.ts';
import { beyondOwn, canGrant, coversPattern, type Giver } from './grant.ts';
import { matchesPattern } from '../../test/support/access-reference.ts';
import { builtInRoles } from './roles.ts';

describe('canGrant', () => {
  it('lets everyone grant their own role, and a tenant administrator every role of a tenant', () => {
    for (const one of role.options) assert.ok(canGrant(one, one), one);
    for (const one of role.options)
      assert.equal(canGrant('tenant-admin', one), one !== 'platform-admin', one);
  });

  it('never lets anyone grant an action that they do not hold', () => {
    const actionsOf = (one: Role): string[] => [...builtInRoles[one].any, ...builtInRoles[one].own];
    for (const granter of role.options)
      for (const granted of role.options)
        if (canGrant(granter, granted))
          assert.deepEqual(
            actionsOf(granted).filter((action) => !actionsOf(granter).includes(action)),
            [],
            `${granter} granting ${granted}`,
          );
  });
});

describe('coversPattern', () => {
  it('never calls a pattern covered that matches a name which the outer one does not', () => {
    const part = fc.constantFrom('a', 'ab', 'a/b', 'a/b/c', 'abc');
    const pattern = fc
      .tuple(fc.constantFrom('folder:', 'service:'), part, fc.constantFrom('', '*', '/*'))
      .map((parts) => parts.join(''));
    const name = fc
      .tuple(fc.constantFrom('folder:', 'service:'), part, fc.constantFrom('', '/x', 'x'))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(pattern, pattern, name, (outer, inner, one) => {
        if (coversPattern(outer, inner) && matchesPattern(inner, one)) assert.ok(matchesPattern(outer, one));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('beyondOwn', () => {
  const held = (changes: Partial<EffectivePermission> = {}): EffectivePermission => ({
    action: 'infer',
    resource: 'service:shop-*',
    rule: 'grant:1',
    ...changes,
  });
  const giver = (holds: EffectivePermission[], changes: Partial<Giver> = {}): Giver => ({
    principal: { id: 'a', tenant: 't', kind: 'user', name: 'A', department: '', role: 'guest' },
    limitedTo: undefined,
    holds,
    ...changes,
  });
  const gift = (action: string, resource: string, more: object = {}) => ({
    permission: { actions: [action], resources: [resource] },
    conditions: undefined,
    expiresAt: undefined,
    ...more,
  });
  const may = (one: Giver, what: ReturnType<typeof gift>): boolean => beyondOwn(one, what) === undefined;

  it('lets what is held be given, in part too, and nothing else', () => {
    const one = giver([held()]);
    assert.ok(may(one, gift('infer', 'service:shop-*')));
    assert.ok(may(one, gift('infer', 'service:shop-cutout')));
    assert.ok(!may(one, gift('infer', 'service:*')));
    assert.ok(!may(one, gift('infer', 'model:shop-a')));
    assert.ok(!may(one, gift('edit', 'service:shop-cutout')));
  });

  it('lets what is held under conditions or for a time be given only with them', () => {
    const secondFactor = { secondFactor: true };
    const one = giver([held({ conditions: secondFactor, expiresAt: '2026-02-01T00:00:00Z' })]);
    const name = 'service:shop-a';
    assert.ok(!may(one, gift('infer', name)));
    assert.ok(!may(one, gift('infer', name, { conditions: secondFactor })));
    assert.ok(!may(one, gift('infer', name, { expiresAt: '2026-01-01T00:00:00Z' })));
    assert.ok(
      may(
        one,
        gift('infer', name, {
          conditions: { ...secondFactor, intranetOnly: true },
          expiresAt: '2026-02-01T08:00:00+08:00',
        }),
      ),
    );
    assert.ok(
      !may(one, gift('infer', name, { conditions: secondFactor, expiresAt: '2026-02-01T00:00:01Z' })),
    );
  });

  it('gives no files of models by a built-in role below administrators, and nothing that its key leaves out', () => {
    const principal = { ...giver([]).principal, role: 'developer' as const };
    assert.ok(may(giver([], { principal }), gift('export', 'service:*')));
    assert.ok(!may(giver([], { principal }), gift('export', 'model:a')));
    const admin = { ...principal, role: 'tenant-admin' as const };
    assert.ok(may(giver([], { principal: admin }), gift('export', 'model:*')));
    assert.ok(!may(giver([], { principal: admin, limitedTo: ['view'] }), gift('export', 'model:*')));
  });
});
