import { z } from 'zod';
import { listAudit } from '../../audit/record.ts';
import { callerOf } from '../authenticate.ts';
import { demand, parse, type Routes } from './support.ts';

const auditPage = z.strictObject({
  before: z.uuid().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export const auditRoutes: Routes = (app, { db }) => {
  app.get('/api/v1/audit', async (request, response) => {
    const caller = callerOf(request).principal;
    demand(caller, 'audit:read', 'audit');
    response.json({ records: await listAudit(db, caller.tenant, parse(auditPage, request.query)) });
  });
};
