import type { Conditions, Permission } from '../../contracts/access.ts';
import type { Role } from '../../contracts/principal.ts';
import type { Subject } from './decide.ts';
import type { EffectivePermission } from './explain.ts';
import { builtInRoles, roleGives } from './roles.ts';

/**
 * Nobody grants more than they hold: every permission of the granted role must be one of the granter's, and, where its
 * key is limited to some actions, one of those.
 */
export function canGrant(granter: Role, granted: Role, limitedTo?: readonly string[]): boolean {
  const held = builtInRoles[granter];
  const given = builtInRoles[granted];
  if (limitedTo !== undefined && ![...given.any, ...given.own].every((action) => limitedTo.includes(action)))
    return false;
  return (
    given.any.every((action) => held.any.includes(action)) &&
    given.own.every((action) => held.any.includes(action) || held.own.includes(action))
  );
}

/** What is to be given, and under which conditions. */
export interface Gift {
  permission: Permission;
  conditions: Conditions | undefined;
  /** Absent: for good. */
  expiresAt: string | undefined;
}

/** Who gives: its role, what its key is limited to, and all that it holds. */
export interface Giver {
  principal: Subject;
  /** Actions of its key's scopes; undefined: no limit. */
  limitedTo: readonly string[] | undefined;
  holds: readonly EffectivePermission[];
}

/**
 * The first action on a pattern of resources that the giver does not hold for as long and in all circumstances in
 * which the gift would; undefined when it may be given.
 */
export function beyondOwn(giver: Giver, gift: Gift): { action: string; resource: string } | undefined {
  for (const action of gift.permission.actions)
    for (const resource of gift.permission.resources)
      if (!holdsAll(giver, action, resource, gift)) return { action, resource };
  return undefined;
}

function holdsAll(
  { principal, limitedTo, holds }: Giver,
  action: string,
  resource: string,
  gift: Gift,
): boolean {
  if (limitedTo !== undefined && !limitedTo.includes(action)) return false;
  const kind = resource.split(':')[0] ?? '';
  if (roleGives(principal.role, action, kind) === 'any') return true;
  return holds.some(
    (held) =>
      held.action === action &&
      held.resource !== '*' &&
      held.resource !== 'own' &&
      coversPattern(held.resource, resource) &&
      coversConditions(held.conditions, gift.conditions) &&
      coversTime(held.expiresAt, gift.expiresAt),
  );
}

/** Whether everything that the inner pattern matches is matched by the outer one. */
export function coversPattern(outer: string, inner: string): boolean {
  if (outer === inner) return true;
  if (outer.endsWith('*')) return inner.startsWith(outer.slice(0, -1));
  return outer.startsWith('folder:') && inner.startsWith(`${outer}/`);
}

/** A right that holds under conditions is passed on with those very conditions, or with more. */
function coversConditions(held: Conditions | undefined, given: Conditions | undefined): boolean {
  if (held === undefined) return true;
  return Object.entries(held).every(
    ([name, value]) => JSON.stringify(given?.[name as keyof Conditions]) === JSON.stringify(value),
  );
}

function coversTime(held: string | undefined, given: string | undefined): boolean {
  if (held === undefined) return true;
  return given !== undefined && Date.parse(given) <= Date.parse(held);
}
