import { role } from '../../contracts/principal.ts';
import type { CustomRole, Grant } from '../../contracts/access.ts';
import {
  type Decision,
  decide,
  grantedNames,
  type Obstacle,
  obstaclesOf,
  permissionOf,
  type Question,
  sourceOf,
  type Subject,
} from './decide.ts';
import { type Action, actions, builtInRoles, grantableActions, roleGives } from './roles.ts';
import { subjectKey, subjectsOf } from './rights.ts';

export interface Explanation extends Decision {
  /** All that stands in the way, not only the first, each with what would change it; empty when it is allowed. */
  obstacles: Obstacle[];
}

/** The decision, with everything that would have to change for it to be another. Pure. */
export function explain(question: Question): Explanation {
  const { principal, action, resource, context } = question;
  const decision = decide(principal, action, resource, context);
  const obstacles = obstaclesOf(question);
  // Nothing more is said of a resource that is another tenant's.
  if (decision.allow || obstacles[0]?.rule === 'tenant-isolation')
    return { ...decision, obstacles: obstacles.slice(0, 1) };
  const missed: Obstacle[] = [];
  const permission = permissionOf(question, (right, why) => {
    missed.push({
      rule: right.rule,
      reason: `${sourceOf(right)} would give it, but its condition ${why} does not hold.`,
      change: `Meet the condition ${why}, or change it.`,
    });
  });
  if (permission !== undefined) return { ...decision, obstacles };
  return { ...decision, obstacles: [...obstacles, ...missed, withoutPermission(question)] };
}

function withoutPermission({ principal, action, resource, context }: Question): Obstacle {
  const ways: string[] = [];
  const above = role.options.findLast((name) => roleGives(name, action, resource.kind) === 'any');
  if (above !== undefined) ways.push(`the built-in role ${above} or above`);
  const [name] = grantedNames(context, resource);
  if (name !== undefined && grantableActions.some((one) => one === action))
    ways.push(`a grant or a custom role with ${action} on ${name}`);
  if (roleGives(principal.role, action, resource.kind) === 'own')
    ways.push(`being its owner, since the role ${principal.role} may ${action} what is its own`);
  return {
    rule: 'default-deny',
    reason: `Neither the role ${principal.role} nor anything else gives ${action} on this ${resource.kind}.`,
    change: ways.length === 0 ? 'Nothing gives it.' : `Any of these: ${ways.join('; ')}.`,
  };
}

/** One thing that a principal may do, by what, and when. */
export interface EffectivePermission {
  action: string;
  /** A pattern of resources; `*` is everything of the tenant, `own` what belongs to the principal. */
  resource: string;
  rule: string;
  conditions?: Grant['conditions'];
  expiresAt?: string;
}

/** The custom roles and grants of one principal. Pure. */
export function givenTo(
  principal: Subject,
  given: { roles: readonly CustomRole[]; grants: readonly Grant[] },
  now: Date,
): { roles: CustomRole[]; grants: Grant[] } {
  const subjects = subjectsOf(principal);
  const isOwn = (tenant: string, key: string): boolean => tenant === principal.tenant && subjects.has(key);
  return {
    roles: given.roles.filter(({ tenant, name }) => isOwn(tenant, subjectKey('role', name))),
    grants: given.grants.filter(
      ({ tenant, subject, expiresAt }) =>
        isOwn(tenant, subjectKey(subject.kind, subject.id)) &&
        (expiresAt === undefined || Date.parse(expiresAt) > now.getTime()),
    ),
  };
}

/** All that a principal holds: its built-in role, its custom roles, its projects' and its own grants. Pure. */
export function effectivePermissions(
  principal: Subject,
  given: { roles: readonly CustomRole[]; grants: readonly Grant[] },
  now: Date,
): EffectivePermission[] {
  const { any, own } = builtInRoles[principal.role];
  const rule = `role:${principal.role}`;
  const builtIn = actions.flatMap((action: Action) => {
    if (any.includes(action)) return [{ action, resource: '*', rule }];
    return own.includes(action) ? [{ action, resource: 'own', rule: `${rule}:own` }] : [];
  });
  const { roles, grants } = givenTo(principal, given, now);
  return [
    ...builtIn,
    ...roles.flatMap(({ name, permissions, conditions }) =>
      permissions.flatMap((permission) =>
        listed(permission, { rule: `custom-role:${name}`, ...(conditions && { conditions }) }),
      ),
    ),
    ...grants.flatMap(({ id, permission, conditions, expiresAt }) =>
      listed(permission, {
        rule: `grant:${id}`,
        ...(conditions && { conditions }),
        ...(expiresAt !== undefined && { expiresAt }),
      }),
    ),
  ];
}

function listed(
  permission: Grant['permission'],
  from: Omit<EffectivePermission, 'action' | 'resource'>,
): EffectivePermission[] {
  return permission.actions.flatMap((action) =>
    permission.resources.map((resource) => ({ action, resource, ...from })),
  );
}
