import { z } from 'zod';
import { conditions } from '../../../contracts/access.ts';
import { principal } from '../../../contracts/principal.ts';
import { actions } from '../../access/roles.ts';
import { effectiveOf, explainAccess } from '../access/explain.ts';
import { address, futureTime, id, time, word } from '../fields.ts';
import { needsUnlessOwn, ok, operation, type Operation } from '../operation.ts';

const question = z.strictObject({
  principal: id,
  action: z.enum(actions),
  resource: z.strictObject({
    kind: z.enum(['service', 'model', 'folder', 'project', 'key', 'account', 'usage', 'audit', 'api']),
    name: word(300).optional(),
    owner: id.optional(),
  }),
  at: futureTime.optional().describe('Now, unless another time is given'),
  address,
  secondFactor: z.boolean().default(false),
  key: word(100).optional(),
  unusual: z.boolean().default(false).describe('As if the circumstances were unusual for the principal'),
});

const obstacle = z.strictObject({ rule: z.string(), reason: z.string(), change: z.string() });
const explanation = z
  .strictObject({
    allow: z.boolean(),
    rule: z.string(),
    reason: z.string(),
    obstacles: z.array(obstacle).describe('All that stands in the way, each with what would change it'),
  })
  .meta({ id: 'Explanation' });

const effective = z.strictObject({
  principal: principal.extend({ department: z.string() }),
  customRoles: z.array(z.string()),
  projects: z.array(z.string()),
  permissions: z.array(
    z.strictObject({
      action: z.string(),
      resource: z
        .string()
        .describe("A pattern; `*` is everything of the tenant, `own` what is the principal's"),
      rule: z.string(),
      conditions: conditions.optional(),
      expiresAt: time.optional(),
    }),
  ),
});

const subject = 'access';
const access = needsUnlessOwn('members:manage', 'account');

/** Who, what, when, from where: allowed or not, by which rule, and what would change it. Nothing is done. */
export const explainOperations: Operation[] = [
  operation({
    method: 'post',
    path: '/api/v1/access/explain',
    summary: {
      en: 'Whether somebody may do something, by which rule, and what would change it',
      zh: '解释某人能否执行某操作、依据哪条规则，以及如何改变结果',
    },
    body: question,
    answers: { 200: explanation },
    errors: ['principal_not_found', 'key_not_found'],
    ...{ subject, access },
    handle: async ({ caller, body }, context) => ok(await explainAccess(context, caller, body)),
  }),
  operation({
    method: 'get',
    path: '/api/v1/access/effective/{principal}',
    summary: { en: 'All that a principal may do, and by what', zh: '列出某主体的全部有效权限及其来源' },
    params: z.strictObject({ principal: id }),
    answers: { 200: effective },
    errors: ['principal_not_found'],
    ...{ subject, access },
    handle: async ({ caller, params }, context) => ok(await effectiveOf(context, caller, params.principal)),
  }),
];
