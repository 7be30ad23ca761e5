import { z } from 'zod';
import { tenantPolicy } from '../../../contracts/snapshot.ts';
import { refusal } from '../../../foundation/errors.ts';
import { expected } from '../../../foundation/field-problems.ts';
import { listAdjustments, readBalances } from '../../quota/adjustments.ts';
import { readBounds } from '../../quota/bounds.ts';
import type { Period, Scope } from '../../quota/units.ts';
import { amount, amounts as amountsShown, id, pageSize, period, scope, time, unit, word } from '../fields.ts';
import { created, done, needs, needsUnlessOwn, ok, operation, type Operation } from '../operation.ts';
import { adjustQuota, changeBound, type PublicAmounts, publicUnits, toAmounts, toPublic } from '../quota.ts';
import { type ApiContext, type Caller, decisionFor, demand } from './support.ts';

const count = z.int().nonnegative().max(1_000_000_000);
const amounts = z
  .strictObject({
    requests: count.default(0),
    megapixels: count.default(0),
    steps: count.default(0),
    computeSeconds: count.default(0),
  })
  .refine(
    (given) => Object.values(given).some((one) => one > 0),
    expected('more than nothing', '大于零的用量'),
  );
const reason = word(500).trim().min(1);
/** Of a tenant's own: projects and users. */
const of = { scope: z.enum(['project', 'user']), subject: id, period };

const bound = z.strictObject({
  ...of,
  subject: z.string().max(200).describe('Empty: everybody who has no bound of their own'),
  unit,
  bound: count.min(1).nullable().describe('Null takes it away'),
});

const quota = z.strictObject({
  tenant: z.string(),
  limits: tenantPolicy.shape.limits.optional().describe("The tenant's own, as the platform team set them"),
  bounds: z.array(z.strictObject({ scope, subject: z.string(), period, unit: z.string(), bound: amount })),
  balances: z.array(
    z.strictObject({
      scope,
      subject: z.string(),
      period,
      startsOn: z.iso.date(),
      held: amountsShown.describe('Charged, and held for what is in flight'),
      credit: amountsShown.describe('What administrators gave beyond the bound'),
    }),
  ),
});
const adjustment = z
  .strictObject({
    id: z.uuid(),
    at: time,
    tenant: z.string(),
    scope,
    subject: z.string(),
    period,
    kind: z.enum(['grant', 'reset']),
    by: z.string(),
    reason: z.string(),
    amounts: amountsShown,
  })
  .meta({ id: 'QuotaAdjustment' });
const adjusted = z.strictObject({ id: z.uuid(), given: amountsShown });

const NO_AMOUNTS: PublicAmounts = { requests: 0, megapixels: 0, steps: 0, computeSeconds: 0 };
const subject = 'quota';
const access = needs('members:manage', 'usage');
// A tenant's own ceiling is the platform's: its administrators cannot raise it.
const platform = needs('platform:manage', 'api');

interface Wanted {
  tenant: string;
  scope: Scope;
  subject: string;
  period: Period;
  kind: 'grant' | 'reset';
  amounts: PublicAmounts;
  reason: string;
}

async function adjust(context: ApiContext, caller: Caller, rule: string, wanted: Wanted) {
  const { db, tenants, surroundings } = context;
  const { tenant } = wanted;
  if (!Object.hasOwn(tenants, tenant)) throw refusal('tenant_not_found', { tenant });
  const { id: made, given } = await adjustQuota(
    db,
    { caller, rule },
    { ...wanted, amounts: toAmounts(wanted.amounts) },
    surroundings,
  );
  return created({ id: made, given: toPublic(given) });
}

const ruleOf = (caller: Caller): string => decisionFor(caller, 'members:manage', 'usage').rule;
const platformRuleOf = (caller: Caller): string => decisionFor(caller, 'platform:manage', 'api').rule;
const nameOf = Object.fromEntries(
  Object.entries(publicUnits).map(([name, { unit: own, factor }]) => [own, { name, factor }]),
);

/** Quotas: who has used and may use how much; bounds, grants and resets by administrators. */
export const quotaOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/quota',
    summary: {
      en: 'Limits, bounds, and the balances of this day and month; to others their own',
      zh: '查看限额、上限以及当日和当月的余额；普通用户仅能查看自己的部分',
    },
    access: needsUnlessOwn('usage:read', 'usage'),
    answers: { 200: quota },
    errors: [],
    subject,
    async handle({ caller }, { db, tenants, surroundings }) {
      const all = decisionFor(caller, 'usage:read', 'usage').allow;
      if (!all) demand(caller, 'usage:read', 'usage', caller.id);
      const { tenant } = caller;
      const bounds = (await readBounds(db)).filter(
        (one) =>
          one.tenant === tenant && (all || (one.scope === 'user' && ['', caller.id].includes(one.subject))),
      );
      const which = { tenant, ...(all ? {} : { user: caller.id }) };
      const balances = await readBalances(db, which, surroundings.now());
      return ok({
        tenant,
        limits: tenants[tenant]?.limits,
        bounds: bounds.map((one) => {
          const { name, factor } = nameOf[one.unit] ?? { name: one.unit, factor: 1 };
          return {
            scope: one.scope,
            subject: one.subject,
            period: one.period,
            unit: name,
            bound: one.bound / factor,
          };
        }),
        balances: balances.map(({ held, credit, ...rest }) => ({
          ...rest,
          held: toPublic(held),
          credit: toPublic(credit),
        })),
      });
    },
  }),
  operation({
    method: 'put',
    path: '/api/v1/quota/bounds',
    summary: {
      en: 'Sets or takes away a bound of a project, a user, or all of them',
      zh: '设置或取消项目、用户或其全体的上限',
    },
    body: bound,
    answers: { 204: null },
    errors: ['principal_not_found'],
    ...{ subject, access },
    async handle({ caller, body: { unit: name, bound: most, ...wanted } }, { db, surroundings }) {
      const { unit: own, factor } = publicUnits[name];
      await changeBound(
        db,
        { caller, rule: ruleOf(caller) },
        { ...wanted, unit: own, bound: most === null ? null : most * factor },
        surroundings,
      );
      return done;
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/quota/adjustments',
    summary: { en: 'Grants and resets, the newest first', zh: '列出增加额度和重置的记录（最新的在前）' },
    access: needs('usage:read', 'usage'),
    query: z.strictObject({ before: z.uuid().optional(), limit: pageSize(500, 100) }),
    answers: { 200: z.strictObject({ adjustments: z.array(adjustment) }) },
    errors: [],
    subject,
    async handle({ caller, query }, { db }) {
      const found = await listAdjustments(db, caller.tenant, query);
      return ok({ adjustments: found.map((one) => ({ ...one, amounts: toPublic(one.amounts) })) });
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/quota/grants',
    summary: {
      en: 'Gives a project or a user more for the current period',
      zh: '为项目或用户增加当前周期的额度',
    },
    body: z.strictObject({ ...of, amounts, reason }),
    answers: { 201: adjusted },
    errors: ['principal_not_found', 'tenant_not_found'],
    ...{ subject, access },
    handle: async ({ caller, body }, context) =>
      adjust(context, caller, ruleOf(caller), { ...body, kind: 'grant', tenant: caller.tenant }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/quota/resets',
    summary: {
      en: 'Gives a project or a user back what was charged in the current period',
      zh: '重置项目或用户当前周期已计的用量',
    },
    body: z.strictObject({ ...of, reason }),
    answers: { 201: adjusted },
    errors: ['principal_not_found', 'tenant_not_found'],
    ...{ subject, access },
    handle: async ({ caller, body }, context) =>
      adjust(context, caller, ruleOf(caller), {
        ...body,
        ...{ kind: 'reset', tenant: caller.tenant, amounts: NO_AMOUNTS },
      }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/tenants/{tenant}/quota/grants',
    summary: { en: 'Gives a tenant more for the current period', zh: '为租户增加当前周期的额度' },
    access: platform,
    params: z.strictObject({ tenant: id }),
    body: z.strictObject({ period, amounts, reason }),
    answers: { 201: adjusted },
    errors: ['tenant_not_found'],
    subject,
    handle: async ({ caller, params, body }, context) =>
      adjust(context, caller, platformRuleOf(caller), {
        ...body,
        ...{ kind: 'grant', tenant: params.tenant, scope: 'tenant', subject: '' },
      }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/tenants/{tenant}/quota/resets',
    summary: {
      en: 'Gives a tenant back what was charged in the current period',
      zh: '重置租户当前周期已计的用量',
    },
    access: platform,
    params: z.strictObject({ tenant: id }),
    body: z.strictObject({ period, reason }),
    answers: { 201: adjusted },
    errors: ['tenant_not_found'],
    subject,
    handle: async ({ caller, params, body }, context) =>
      adjust(context, caller, platformRuleOf(caller), {
        ...body,
        ...{ kind: 'reset', tenant: params.tenant, scope: 'tenant', subject: '', amounts: NO_AMOUNTS },
      }),
  }),
];
