import { z } from 'zod';
import { listAudit } from '../../audit/record.ts';
import { pageSize, time } from '../fields.ts';
import { needs, ok, operation, type Operation } from '../operation.ts';

const record = z
  .strictObject({
    id: z.uuid(),
    at: time,
    principal: z.string(),
    action: z.string(),
    resource: z.string(),
    allowed: z.boolean(),
    rule: z.string(),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditRecord' });

export const auditOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/audit',
    subject: 'operations',
    summary: { en: 'Audit records of the tenant, the newest first', zh: '列出租户的审计记录（最新的在前）' },
    access: needs('audit:read', 'audit'),
    query: z.strictObject({
      before: z.uuid().optional().describe('Only records older than this one'),
      limit: pageSize(500, 100),
    }),
    answers: { 200: z.strictObject({ records: z.array(record) }) },
    errors: [],
    handle: async ({ caller, query }, { db }) => ok({ records: await listAudit(db, caller.tenant, query) }),
  }),
];
