import { sql } from 'kysely';
import type { ClientBase, Pool } from 'pg';
import type { Database } from '../database/schema.ts';

/** Who did what, when, from where, and whether it was allowed. Never a body, a prompt, a query or a credential. */
export interface AuditRecord {
  /** UUIDv7, the request's where there is one: the same record sent twice stands once. */
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
  /** What is known of the request, for actions that are one. */
  method?: string;
  path?: string;
  status?: number;
  code?: string;
  clientIp?: string;
  durationMs?: number;
  bytesIn?: number;
  bytesOut?: number;
  /** What was changed, by names and ids, for changes of rights. */
  change?: Record<string, unknown>;
}

/** In batches, as the gateway's role may. */
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

/** In the transaction of the change that it records. */
export async function appendAuditIn(transaction: Database, record: AuditRecord): Promise<void> {
  await sql`SELECT imageplane.append_audit(${JSON.stringify([record])}::jsonb)`.execute(transaction);
}

export interface AuditEntry {
  id: string;
  at: Date;
  principal: string;
  action: string;
  resource: string;
  allowed: boolean;
  rule: string;
  detail: Record<string, unknown>;
}

/** Newest first, at most `limit`, older than the record `before`: keyset pages, never a count. */
export async function listAudit(
  db: Database,
  tenant: string,
  page: { before?: string | undefined; limit: number },
): Promise<AuditEntry[]> {
  let query = db
    .selectFrom('audit_record')
    .select(['id', 'at', 'principal', 'action', 'resource', 'allowed', 'rule', 'detail'])
    .where('tenant', '=', tenant)
    .orderBy('id', 'desc')
    .limit(page.limit);
  if (page.before !== undefined) query = query.where('id', '<', page.before);
  return query.execute();
}
