import type { Role } from '../../contracts/principal.ts';
import { builtInRoles } from './roles.ts';

/** Nobody grants more than they hold: every permission of the granted role must be one of the granter's. */
export function canGrant(granter: Role, granted: Role): boolean {
  const held = builtInRoles[granter];
  const given = builtInRoles[granted];
  return (
    given.any.every((action) => held.any.includes(action)) &&
    given.own.every((action) => held.any.includes(action) || held.own.includes(action))
  );
}
