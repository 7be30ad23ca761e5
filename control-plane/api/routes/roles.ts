import { z } from 'zod';
import { role } from '../../../contracts/principal.ts';
import { builtInRoles } from '../../access/roles.ts';
import { listRoles } from '../../access/store/roles.ts';
import { defineRole, giveRole, membersOf, removeRole, takeRole } from '../access/roles.ts';
import { conditions, conditionsShown, permission, permissionsShown, roleName } from '../access/schemas.ts';
import { description, id, time } from '../fields.ts';
import { done, needs, ok, operation, type Operation } from '../operation.ts';

const definition = z.strictObject({
  description: description.default(''),
  permissions: z.array(permission).min(1).max(50),
  conditions: conditions.optional(),
});
const byName = z.strictObject({ name: roleName });
const assignment = z.strictObject({ name: roleName, principal: id });

const customRole = z
  .strictObject({
    name: z.string(),
    description: z.string(),
    permissions: permissionsShown,
    conditions: conditionsShown.optional(),
    changedBy: z.string(),
    changedAt: time,
  })
  .meta({ id: 'CustomRole' });
const builtIn = z.strictObject({ name: role, any: z.array(z.string()), own: z.array(z.string()) });
const member = z.strictObject({
  principal: z.string(),
  name: z.string(),
  givenBy: z.string(),
  givenAt: time,
});

const subject = 'access';
const access = needs('members:manage', 'account');

/** Roles that a tenant's administrators make, besides the built-in ones. */
export const roleOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/roles',
    summary: { en: 'Built-in and custom roles, with what they give', zh: '列出内置角色和自定义角色及其权限' },
    answers: { 200: z.strictObject({ builtIn: z.array(builtIn), roles: z.array(customRole) }) },
    errors: [],
    ...{ subject, access },
    async handle({ caller }, { db }) {
      const roles = await listRoles(db, caller.tenant);
      return ok({
        builtIn: role.options.map((name) => ({ name, ...builtInRoles[name] })),
        roles: roles.map(({ conditions: when, ...one }) => ({
          ...one,
          ...(when === null ? {} : { conditions: when }),
        })),
      });
    },
  }),
  operation({
    method: 'put',
    path: '/api/v1/roles/{name}',
    summary: { en: 'Makes or changes a custom role', zh: '创建或修改自定义角色' },
    params: byName,
    body: definition,
    bodyLimit: '200kb',
    answers: { 201: null, 204: null },
    errors: ['grant_exceeds_own', 'too_many_roles'],
    ...{ subject, access },
    async handle({ caller, params, body }, context) {
      const { made } = await defineRole(context, caller, { name: params.name, ...body });
      return made ? { status: 201 as const } : done;
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/roles/{name}',
    summary: { en: 'Deletes a custom role, and what was given to it', zh: '删除自定义角色及对其的授权' },
    params: byName,
    answers: { 204: null },
    errors: ['role_not_found'],
    ...{ subject, access },
    async handle({ caller, params }, context) {
      await removeRole(context, caller, params.name);
      return done;
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/roles/{name}/members',
    summary: { en: 'Who has a custom role', zh: '列出拥有某自定义角色的主体' },
    params: byName,
    answers: { 200: z.strictObject({ members: z.array(member) }) },
    errors: ['role_not_found'],
    ...{ subject, access },
    handle: async ({ caller, params }, context) =>
      ok({ members: await membersOf(context, caller, params.name) }),
  }),
  operation({
    method: 'put',
    path: '/api/v1/roles/{name}/members/{principal}',
    summary: { en: 'Gives a principal a custom role', zh: '授予主体自定义角色' },
    params: assignment,
    answers: { 204: null },
    errors: ['role_not_found', 'principal_not_found', 'grant_exceeds_own'],
    ...{ subject, access },
    async handle({ caller, params }, context) {
      await giveRole(context, caller, params);
      return done;
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/roles/{name}/members/{principal}',
    summary: { en: 'Takes a custom role from a principal', zh: '收回主体的自定义角色' },
    params: assignment,
    answers: { 204: null },
    errors: ['role_not_found', 'assignment_not_found'],
    ...{ subject, access },
    async handle({ caller, params }, context) {
      await takeRole(context, caller, params);
      return done;
    },
  }),
];
