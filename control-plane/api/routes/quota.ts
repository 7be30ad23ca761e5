import express, { type Request } from 'express';
import { z } from 'zod';
import { refusal } from '../../../foundation/errors.ts';
import { listAdjustments, readBalances } from '../../quota/adjustments.ts';
import { readBounds } from '../../quota/bounds.ts';
import { periods } from '../../quota/units.ts';
import { callerOf } from '../authenticate.ts';
import { adjustQuota, changeBound, type PublicAmounts, publicUnits, toAmounts, toPublic } from '../quota.ts';
import { decisionFor, demand, parse, type Routes } from './support.ts';

const count = z.int().nonnegative().max(1_000_000_000);
const amounts = z
  .strictObject({
    requests: count.default(0),
    megapixels: count.default(0),
    steps: count.default(0),
    computeSeconds: count.default(0),
  })
  .refine((given) => Object.values(given).some((amount) => amount > 0), 'Expected more than nothing');
const reason = z.string().trim().min(1).max(500);
const period = z.enum(periods);
/** Of a tenant's own: projects and users. */
const subject = {
  scope: z.enum(['project', 'user']),
  subject: z.string().min(1).max(200),
  period,
};

const grantBody = z.strictObject({ ...subject, amounts, reason });
const resetBody = z.strictObject({ ...subject, reason });
const tenantGrantBody = z.strictObject({ period, amounts, reason });
const tenantResetBody = z.strictObject({ period, reason });
const boundBody = z.strictObject({
  ...subject,
  /** Empty: everybody who has no bound of their own. */
  subject: z.string().max(200),
  unit: z.enum(['requests', 'megapixels', 'steps', 'computeSeconds']),
  /** Null takes it away. */
  bound: count.min(1).nullable(),
});
const page = z.strictObject({
  before: z.uuid().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});
const NO_AMOUNTS: PublicAmounts = { requests: 0, megapixels: 0, steps: 0, computeSeconds: 0 };

/** Quotas: who has used and may use how much; bounds, grants and resets by administrators. */
export const quotaRoutes: Routes = (app, { db, tenants, surroundings }) => {
  const body = express.json({ limit: '10kb' });

  app.get('/api/v1/quota', async (request, response) => {
    const caller = callerOf(request).principal;
    const all = decisionFor(caller, 'usage:read', 'usage').allow;
    if (!all) demand(caller, 'usage:read', 'usage', caller.id);
    const which = { tenant: caller.tenant, ...(all ? {} : { user: caller.id }) };
    const bounds = (await readBounds(db)).filter(
      (one) =>
        one.tenant === caller.tenant &&
        (all || (one.scope === 'user' && ['', caller.id].includes(one.subject))),
    );
    const nameOf = Object.fromEntries(
      Object.entries(publicUnits).map(([name, { unit, factor }]) => [unit, { name, factor }]),
    );
    const balances = await readBalances(db, which, surroundings.now());
    response.json({
      tenant: caller.tenant,
      limits: tenants[caller.tenant]?.limits,
      bounds: bounds.map((one) => {
        const { name, factor } = nameOf[one.unit] ?? { name: one.unit, factor: 1 };
        const { scope, period } = one;
        return { scope, subject: one.subject, period, unit: name, bound: one.bound / factor };
      }),
      balances: balances.map(({ held, credit, ...rest }) => ({
        ...rest,
        held: toPublic(held),
        credit: toPublic(credit),
      })),
    });
  });

  app.put('/api/v1/quota/bounds', body, async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'members:manage', 'usage');
    const { unit: name, bound, ...wanted } = parse(boundBody, request.body);
    const { unit, factor } = publicUnits[name];
    const { rule } = decisionFor(caller, 'members:manage', 'usage');
    await changeBound(
      db,
      { caller, rule },
      { ...wanted, unit, bound: bound === null ? null : bound * factor },
      surroundings,
    );
    response.status(204).end();
  });

  app.get('/api/v1/quota/adjustments', async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'usage:read', 'usage');
    const found = await listAdjustments(db, caller.tenant, parse(page, request.query));
    response.json({ adjustments: found.map((one) => ({ ...one, amounts: toPublic(one.amounts) })) });
  });

  for (const kind of ['grant', 'reset'] as const)
    app.post(`/api/v1/quota/${kind}s`, body, async (request, response) => {
      const caller = callerOf(request).principal;
      demand(caller, 'members:manage', 'usage');
      const { rule } = decisionFor(caller, 'members:manage', 'usage');
      const wanted =
        kind === 'grant'
          ? parse(grantBody, request.body)
          : { ...parse(resetBody, request.body), amounts: NO_AMOUNTS };
      const { id, given } = await adjustQuota(
        db,
        { caller, rule },
        { ...wanted, kind, tenant: caller.tenant, amounts: toAmounts(wanted.amounts) },
        surroundings,
      );
      response.status(201).json({ id, given: toPublic(given) });
    });

  // A tenant's own ceiling is the platform's: its administrators cannot raise it.
  for (const kind of ['grant', 'reset'] as const)
    app.post(
      `/api/v1/tenants/:tenant/quota/${kind}s`,
      body,
      async (request: Request<{ tenant: string }>, response) => {
        const caller = callerOf(request).principal;
        demand(caller, 'platform:manage', 'api');
        const { rule } = decisionFor(caller, 'platform:manage', 'api');
        const { tenant } = request.params;
        if (!Object.hasOwn(tenants, tenant)) throw refusal('tenant_not_found', { tenant });
        const wanted =
          kind === 'grant'
            ? parse(tenantGrantBody, request.body)
            : { ...parse(tenantResetBody, request.body), amounts: NO_AMOUNTS };
        const { id, given } = await adjustQuota(
          db,
          { caller, rule },
          { ...wanted, kind, tenant, scope: 'tenant', subject: '', amounts: toAmounts(wanted.amounts) },
          surroundings,
        );
        response.status(201).json({ id, given: toPublic(given) });
      },
    );
};
