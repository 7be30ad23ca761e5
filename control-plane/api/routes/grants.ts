import { z } from 'zod';
import { grant } from '../../../contracts/access.ts';
import { expected } from '../../../foundation/field-problems.ts';
import { listGrants } from '../../access/store/grants.ts';
import { giveGrant, grantView, withdrawGrant } from '../access/grants.ts';
import { conditions, conditionsShown, permission, subject as grantee } from '../access/schemas.ts';
import { byUuid, description, futureTime, id, made, pageSize, time } from '../fields.ts';
import { created, done, needs, needsUnlessOwn, ok, operation, type Operation } from '../operation.ts';

const newGrant = permission.extend({
  subject: grantee,
  conditions: conditions.optional(),
  expiresAt: futureTime.optional(),
  note: description.default(''),
});

const page = z
  .strictObject({
    kind: grantee.shape.kind.optional(),
    subject: id.optional(),
    after: z.uuid().optional(),
    limit: pageSize(1000, 200),
  })
  .refine(
    ({ kind, subject: one }) => (kind === undefined) === (one === undefined),
    expected('given with both kind and subject, or neither', '同时给出或同时省略 kind 和 subject'),
  );

const shown = z
  .strictObject({
    id: z.uuid(),
    subject: grant.shape.subject,
    actions: z.array(z.string()),
    resources: z.array(z.string()),
    conditions: conditionsShown.optional(),
    note: z.string(),
    expiresAt: time.optional(),
    givenBy: z.string(),
    givenAt: time,
  })
  .meta({ id: 'Grant' });

const subject = 'access';

/** Rights that are given to one principal, to the members of a project, or to all who have a role. */
export const grantOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/grants',
    summary: { en: 'Grants of the tenant, or those to one subject', zh: '列出租户的授权，或某一对象的授权' },
    access: needs('members:manage', 'account'),
    query: page,
    answers: { 200: z.strictObject({ grants: z.array(shown) }) },
    errors: [],
    subject,
    async handle({ caller, query: { kind, subject: one, after, limit } }, { db }) {
      const of = kind === undefined || one === undefined ? undefined : { kind, id: one };
      const grants = await listGrants(db, caller.tenant, { subject: of, after, limit });
      return ok({ grants: grants.map(grantView) });
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/grants',
    summary: {
      en: 'Gives a right to a principal, to the members of a project, or to all who have a role',
      zh: '向主体、项目成员或拥有某角色的所有人授权',
    },
    access: needsUnlessOwn('members:manage', 'account'),
    body: newGrant,
    bodyLimit: '100kb',
    answers: { 201: made },
    errors: [
      'grant_exceeds_own',
      'project_not_found',
      'principal_not_found',
      'role_not_found',
      'too_many_grants',
    ],
    subject,
    handle: async ({ caller, body }, context) => created(await giveGrant(context, caller, body)),
  }),
  operation({
    method: 'delete',
    path: '/api/v1/grants/{id}',
    summary: { en: 'Withdraws a grant', zh: '撤销授权' },
    access: needsUnlessOwn('members:manage', 'account'),
    params: byUuid,
    answers: { 204: null },
    errors: ['grant_not_found', 'project_not_found', 'principal_not_found', 'role_not_found'],
    subject,
    async handle({ caller, params }, context) {
      await withdrawGrant(context, caller, params.id);
      return done;
    },
  }),
];
