import { z } from 'zod';
import { usageReport } from '../../quota/usage-report.ts';
import { amount, amounts } from '../fields.ts';
import { needsUnlessOwn, ok, operation, type Operation } from '../operation.ts';
import { decisionFor, demand } from './support.ts';

const totals = amounts.extend({
  startsOn: z.iso.date().describe('The calendar day or month, in UTC'),
  limit: amount.describe('Requests; 0 is no limit'),
});

export const usageOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/usage',
    subject: 'quota',
    summary: {
      en: 'What was used this day and month, by service and principal; to others their own',
      zh: '查看当日和当月用量，按服务和主体细分；普通用户仅能查看自己的部分',
    },
    access: needsUnlessOwn('usage:read', 'usage'),
    answers: {
      200: z.strictObject({
        tenant: z.string(),
        day: totals,
        month: totals,
        byServiceAndPrincipal: z.array(
          amounts.extend({ service: z.string(), principal: z.string(), failures: amount }),
        ),
      }),
    },
    errors: [],
    async handle({ caller }, { db, tenants, surroundings }) {
      const all = decisionFor(caller, 'usage:read', 'usage').allow;
      if (!all) demand(caller, 'usage:read', 'usage', caller.id);
      const limits = tenants[caller.tenant]?.limits;
      return ok(
        await usageReport(
          db,
          { tenant: caller.tenant, ...(all ? {} : { principal: caller.id }) },
          { day: limits?.requestsPerDay ?? 0, month: limits?.requestsPerMonth ?? 0 },
          surroundings.now(),
        ),
      );
    },
  }),
];
