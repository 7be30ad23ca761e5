import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { role, type Role } from '../../contracts/principal.ts';
import { canGrant } from './grant.ts';
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
