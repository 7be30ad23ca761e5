import { z } from 'zod';
import { expected } from '../../../foundation/field-problems.ts';
import { byUuid, made, maybeTime, pageSize, time } from '../fields.ts';
import { created, done, needs, ok, operation, type Operation } from '../operation.ts';
import { closeReview, decideLine, listReviews, openReview, readReview } from '../reviews.ts';
import { readStale } from '../stale.ts';

const summary = z
  .strictObject({
    id: z.uuid(),
    openedBy: z.string(),
    openedAt: time,
    closedAt: maybeTime,
    lines: z.int(),
    decided: z.int(),
  })
  .meta({ id: 'AccessReview' });
const line = z
  .strictObject({
    line: z.int(),
    kind: z.string(),
    id: z.string(),
    subject: z.string(),
    name: z.string(),
    what: z.string(),
    givenBy: z.string(),
    givenAt: maybeTime,
    lastUsedAt: maybeTime,
    decision: z.enum(['keep', 'withdraw']).nullable(),
    decidedBy: z.string().nullable(),
    decidedAt: maybeTime,
  })
  .meta({ id: 'AccessReviewLine' });
const stale = z.strictObject({
  kind: z.string(),
  id: z.string(),
  name: z.string(),
  reason: z.string(),
  lastUsedAt: maybeTime,
  disabledAt: maybeTime.describe('Null while it is only announced'),
});
const month = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, expected('a month such as 2026-01', '月份，例如 2026-01'));

const subject = 'reviews';
const access = needs('members:manage', 'account');

/** Access reviews and the monthly list of what is unused: an administrator's work. */
export const reviewOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/access-reviews',
    summary: { en: 'Access reviews, the newest first', zh: '列出访问权限复核（最新的在前）' },
    answers: { 200: z.strictObject({ reviews: z.array(summary) }) },
    errors: [],
    ...{ subject, access },
    handle: async ({ caller }, { db }) => ok({ reviews: await listReviews(db, caller.tenant) }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/access-reviews',
    summary: {
      en: 'Opens a review: writes down every right of the tenant',
      zh: '发起复核：列出租户的全部权限',
    },
    answers: { 201: made.extend({ lines: z.int() }) },
    errors: [],
    ...{ subject, access },
    handle: async ({ caller }, context) => created(await openReview(context, caller)),
  }),
  operation({
    method: 'get',
    path: '/api/v1/access-reviews/{id}',
    summary: { en: 'The lines of a review', zh: '查看复核的各项' },
    params: byUuid,
    query: z.strictObject({
      after: z.coerce.number().int().min(0).default(0).describe('Only lines after this one'),
      limit: pageSize(1000, 200),
    }),
    answers: { 200: z.strictObject({ closedAt: maybeTime, lines: z.array(line) }) },
    errors: ['review_not_found'],
    ...{ subject, access },
    handle: async ({ caller, params, query }, { db }) =>
      ok(await readReview(db, caller.tenant, params.id, query)),
  }),
  operation({
    method: 'post',
    path: '/api/v1/access-reviews/{id}/lines/{line}',
    summary: {
      en: 'Keeps or withdraws the right of a line; a withdrawal works at once',
      zh: '保留或撤销某项权限；撤销立即生效',
    },
    params: z.strictObject({ id: z.uuid(), line: z.coerce.number().int().positive() }),
    body: z.strictObject({ decision: z.enum(['keep', 'withdraw']) }),
    answers: { 204: null },
    errors: [
      'review_not_found',
      'review_closed',
      'line_not_found',
      'line_withdrawn',
      'own_role',
      'owner_stays',
      'grant_exceeds_own',
    ],
    ...{ subject, access },
    async handle({ caller, params: { id: review, line: number }, body }, context) {
      await decideLine(context, caller, { review, line: number, ...body });
      return done;
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/access-reviews/{id}/close',
    summary: { en: 'Ends a review of which every line is decided', zh: '结束已逐项处理完毕的复核' },
    params: byUuid,
    answers: { 204: null },
    errors: ['review_not_found', 'lines_undecided'],
    ...{ subject, access },
    async handle({ caller, params }, context) {
      await closeReview(context, caller, params.id);
      return done;
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/stale',
    summary: {
      en: 'What was disabled in a month for not being used, or soon will be',
      zh: '列出某月因未使用而停用或即将停用的项目',
    },
    query: z.strictObject({ month: month.optional() }),
    answers: { 200: z.strictObject({ month: z.string(), lines: z.array(stale) }) },
    errors: [],
    ...{ subject, access },
    async handle({ caller, query }, { db, surroundings }) {
      const asked = query.month ?? surroundings.now().toISOString().slice(0, 7);
      return ok({ month: asked, lines: await readStale(db, caller.tenant, asked) });
    },
  }),
];
