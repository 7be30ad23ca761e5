import { usageReport } from '../../quota/usage-report.ts';
import { callerOf } from '../authenticate.ts';
import { decisionFor, demand, type Routes } from './support.ts';

export const usageRoutes: Routes = (app, { db, tenants, surroundings }) => {
  app.get('/api/v1/usage', async (request, response) => {
    const caller = callerOf(request).principal;
    const all = decisionFor(caller, 'usage:read', 'usage').allow;
    if (!all) demand(caller, 'usage:read', 'usage', caller.id);
    const limits = tenants[caller.tenant]?.limits;
    response.json(
      await usageReport(
        db,
        { tenant: caller.tenant, ...(all ? {} : { principal: caller.id }) },
        { day: limits?.requestsPerDay ?? 0, month: limits?.requestsPerMonth ?? 0 },
        surroundings.now(),
      ),
    );
  });
};
