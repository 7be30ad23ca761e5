import type { ClientBase, Pool } from 'pg';
import type { Logger } from '../../foundation/logger.ts';
import { openOutbox, type Outbox } from '../../foundation/outbox.ts';
import { appendAudit, type AuditRecord } from '../audit/record.ts';
import { settle, type Settlement } from '../quota/ledger.ts';

/** What the gateway owes the database. One log for both kinds, so that they arrive in the order they happened. */
export type Entry = { settlement: Settlement } | { audit: AuditRecord };

export interface RecordsOptions {
  directory: string;
  maxBytes: number;
  pool: Pick<Pool, 'connect'>;
  logger: Logger;
  random: () => number;
  /** Entries that the database will never take. */
  onRejected: (count: number) => void;
}

const MAX_BATCH = 200;

export async function openRecords(options: RecordsOptions): Promise<Outbox<Entry>> {
  const { directory, maxBytes, logger, random } = options;
  return openOutbox<Entry>({
    directory,
    maxBytes,
    maxBatch: MAX_BATCH,
    logger,
    random,
    deliver: (entries) => deliverEntries(entries, options),
  });
}

/**
 * One transaction for the batch. Should the data itself be refused, each entry is tried alone: one that can never be
 * taken is logged and set aside, instead of holding up all that come after it.
 */
export async function deliverEntries(
  entries: Entry[],
  options: Pick<RecordsOptions, 'pool' | 'logger' | 'onRejected'>,
): Promise<void> {
  try {
    await writeEntries(entries, options.pool);
  } catch (error) {
    if (!isDataError(error)) throw error;
    if (entries.length === 1) {
      options.logger.error({ err: error, entry: entries[0] }, 'the database will never take this record');
      options.onRejected(1);
      return;
    }
    for (const entry of entries) await deliverEntries([entry], options);
  }
}

async function writeEntries(entries: Entry[], pool: Pick<Pool, 'connect'>): Promise<void> {
  const client = await pool.connect();
  try {
    await inTransaction(client, async () => {
      await settle(
        client,
        entries.flatMap((entry) => ('settlement' in entry ? [entry.settlement] : [])),
      );
      await appendAudit(
        client,
        entries.flatMap((entry) => ('audit' in entry ? [entry.audit] : [])),
      );
    });
    client.release();
  } catch (error) {
    // After a data error the connection is sound; after any other it may not be.
    client.release(!isDataError(error));
    throw error;
  }
}

async function inTransaction(client: ClientBase, work: () => Promise<void>): Promise<void> {
  await client.query('BEGIN');
  try {
    await work();
    await client.query('COMMIT');
  } catch (error) {
    if (isDataError(error)) await client.query('ROLLBACK');
    throw error;
  }
}

/** SQLSTATE class 22, data exception. Class 23 is not one of these: a missing partition is reported as 23514. */
function isDataError(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && /^22/.test(error.code)
  );
}
