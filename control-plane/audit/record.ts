import type { ClientBase, Pool } from 'pg';

/** Who did what, when, from where, and whether it was allowed. Never a body, a prompt, a query or a credential. */
export interface AuditRecord {
  /** The request's id, UUIDv7: the same record sent twice stands once. */
  id: string;
  at: string;
  /** Empty when the caller is not known. */
  tenant: string;
  principal: string;
  action: string;
  /** `service:{tenant}/{service}`, `key:{id}` and such. */
  resource: string;
  allowed: boolean;
  /** The rule of `decide`, or the limit, that allowed or refused it. */
  rule: string;
  method: string;
  path: string;
  status: number;
  code?: string;
  clientIp: string;
  durationMs: number;
  bytesIn: number;
  bytesOut: number;
}

export async function appendAudit(
  db: Pick<Pool | ClientBase, 'query'>,
  records: AuditRecord[],
): Promise<void> {
  if (records.length === 0) return;
  await db.query({
    name: 'append_audit',
    text: 'SELECT imageplane.append_audit($1::jsonb)',
    values: [JSON.stringify(records)],
  });
}
