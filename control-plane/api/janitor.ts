import type pg from 'pg';
import type { Logger } from '../../foundation/logger.ts';

const EXPIRE_EVERY_MS = 30_000;
const PARTITIONS_EVERY_MS = 3_600_000;
const RECONCILE_EVERY_MS = 6 * 3_600_000;

/** Gives back what was never settled. Several APIs may do so at once. */
async function expireReservations(pool: pg.Pool, now: Date, logger: Logger): Promise<void> {
  const { rows } = await pool.query<{ expired: number }>(
    'SELECT imageplane.expire_reservations($1) AS expired',
    [now],
  );
  const expired = rows[0]?.expired ?? 0;
  if (expired > 0) logger.warn({ expired }, 'reservations expired: their requests were never settled');
}

/** Balances are moved with their reservations; should they ever differ, the reservations are right. */
async function reconcileQuotas(pool: pg.Pool, now: Date, logger: Logger): Promise<void> {
  const { rows } = await pool.query('SELECT * FROM imageplane.reconcile_quota($1)', [now]);
  if (rows.length > 0)
    logger.error({ differences: rows.slice(0, 20), count: rows.length }, 'balances of quotas were corrected');
}

/** Makes the coming months' partitions, and drops the months past retention. */
export async function maintainPartitions(
  pool: pg.Pool,
  retentionMonths: number,
  now: Date,
  logger: Logger,
): Promise<void> {
  await pool.query('SELECT imageplane.ensure_partitions($1)', [now]);
  const oldest = new Date(now);
  oldest.setUTCMonth(oldest.getUTCMonth() - retentionMonths);
  const { rows } = await pool.query<{ name: string }>('SELECT imageplane.drop_partitions($1) AS name', [
    oldest,
  ]);
  if (rows.length > 0)
    logger.info({ dropped: rows.map(({ name }) => name) }, 'months past retention were dropped');
}

/** Gives how to stop. What fails is logged and done again at the next turn. */
export function startJanitor(
  pool: pg.Pool,
  retentionMonths: number,
  now: () => Date,
  logger: Logger,
): () => void {
  const timers = [
    repeat(EXPIRE_EVERY_MS, () => expireReservations(pool, now(), logger), logger),
    repeat(RECONCILE_EVERY_MS, () => reconcileQuotas(pool, now(), logger), logger),
    repeat(PARTITIONS_EVERY_MS, () => maintainPartitions(pool, retentionMonths, now(), logger), logger),
  ];
  return () => {
    for (const timer of timers) clearInterval(timer);
  };
}

/** Never two turns at once. */
export function repeat(everyMs: number, task: () => Promise<void>, logger: Logger): NodeJS.Timeout {
  let running = false;
  return setInterval(() => {
    if (running) return;
    running = true;
    task()
      .catch((error: unknown) => {
        logger.warn({ err: error }, 'tidying up failed; it will be tried again');
      })
      .finally(() => {
        running = false;
      });
  }, everyMs);
}
