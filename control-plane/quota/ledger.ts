import type { ClientBase, Pool } from 'pg';

type Database = Pick<Pool | ClientBase, 'query'>;

/** Bounds of a calendar day and month in UTC, in requests; 0 is no bound. */
export interface QuotaLimits {
  day: number;
  month: number;
}

export interface Reservation {
  /** The request's id, UUIDv7: reserving it again changes nothing. */
  id: string;
  tenant: string;
  service: string;
  principal: string;
  requests: number;
}

export type ReserveResult =
  | { admitted: true }
  | { admitted: false; period: 'day' | 'month'; limit: number; used: number; resetsAt: Date };

/** Takes from the quota before the work, or says which bound is spent. One statement; exact under concurrency. */
export async function reserve(
  db: Database,
  reservation: Reservation,
  limits: QuotaLimits,
): Promise<ReserveResult> {
  const { rows } = await db.query<{
    admitted: boolean;
    period: 'day' | 'month';
    used: string;
    bound: string;
    resets_at: Date;
  }>({
    name: 'reserve',
    text: 'SELECT * FROM imageplane.reserve($1, $2, $3, $4, $5, $6, $7)',
    values: [
      reservation.id,
      reservation.tenant,
      reservation.service,
      reservation.principal,
      reservation.requests,
      limits.day,
      limits.month,
    ],
  });
  const [row] = rows;
  if (row === undefined) throw new Error('imageplane.reserve gave no row');
  if (row.admitted) return { admitted: true };
  return {
    admitted: false,
    period: row.period,
    limit: Number(row.bound),
    used: Number(row.used),
    resetsAt: row.resets_at,
  };
}

/**
 * What became of a reservation, as the gateway saw it. `charge` carries the whole reservation: work that was admitted
 * while the ledger was away and is entered afterwards, over the bound if need be.
 */
export type Settlement =
  | { kind: 'charged'; id: string }
  | { kind: 'released'; id: string }
  | ({ kind: 'charge'; at: string } & Reservation);

/** Each settlement counts once, however often it is sent. A usage event that says otherwise wins. */
export async function settle(db: Database, settlements: Settlement[]): Promise<void> {
  if (settlements.length === 0) return;
  await db.query({
    name: 'settle',
    text: 'SELECT imageplane.settle($1::jsonb)',
    values: [JSON.stringify(settlements)],
  });
}
