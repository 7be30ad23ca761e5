import type { ClientBase, Pool } from 'pg';
import type { Amounts, Bound, Period, Scope, Unit } from './units.ts';

type Database = Pick<Pool | ClientBase, 'query'>;

/** What is held for a request before it is served: its worst case. */
export interface Reservation extends Amounts {
  /** The request's id, UUIDv7: reserving it again changes nothing. */
  id: string;
  tenant: string;
  /** Empty when the request belongs to none. */
  project: string;
  service: string;
  /** Empty for a lease, which a gateway holds for its tenant. */
  principal: string;
}

export type ReserveResult =
  | { admitted: true }
  | {
      admitted: false;
      scope: Scope;
      period: Period;
      unit: Unit;
      limit: number;
      used: number;
      resetsAt: Date;
    };

/** Until a reservation that nobody settled is given back. */
const RESERVED_SECONDS = 900;
/** A lease outlives the 15 minutes for which a gateway goes on without the ledger. */
export const LEASE_SECONDS = 1200;

/** Takes from the quotas before the work, or says which bound is spent. One statement; exact under concurrency. */
export async function reserve(
  db: Database,
  reservation: Reservation,
  bounds: readonly Bound[],
): Promise<ReserveResult> {
  const seconds = reservation.principal === '' ? LEASE_SECONDS : RESERVED_SECONDS;
  const { rows } = await db.query<{
    admitted: boolean;
    scope: Scope;
    period: Period;
    unit: Unit;
    used: string;
    bound: string;
    resets_at: Date;
  }>({
    name: 'reserve',
    text: 'SELECT * FROM imageplane.reserve($1::jsonb, $2::jsonb)',
    values: [JSON.stringify({ ...reservation, seconds }), JSON.stringify(bounds)],
  });
  const [row] = rows;
  if (row === undefined) throw new Error('imageplane.reserve gave no row');
  if (row.admitted) return { admitted: true };
  const { scope, period, unit, resets_at: resetsAt } = row;
  return { admitted: false, scope, period, unit, limit: Number(row.bound), used: Number(row.used), resetsAt };
}

/** Keeps the leases for another `LEASE_SECONDS`. Gives the ids of those that had not expired. */
export async function renewLeases(db: Database, ids: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    name: 'renew_leases',
    text: 'SELECT imageplane.renew_leases($1::uuid[]) AS id',
    values: [ids],
  });
  return rows.map(({ id }) => id);
}

/**
 * What became of a reservation, as the gateway saw it. `charge` carries the whole reservation: work that was admitted
 * while the ledger was away and is entered afterwards; what it took from a lease, the lease no longer holds.
 * `computeMs` of `charged` is what the gateway measured of a service that reports no usage.
 */
export type Settlement =
  | { kind: 'charged'; id: string; computeMs?: number }
  | { kind: 'released'; id: string }
  | ({ kind: 'charge'; at: string; lease?: string } & Reservation);

/** Each settlement counts once, however often it is sent. A usage event that says otherwise wins. */
export async function settle(db: Database, settlements: Settlement[]): Promise<void> {
  if (settlements.length === 0) return;
  await db.query({
    name: 'settle',
    text: 'SELECT imageplane.settle($1::jsonb)',
    values: [JSON.stringify(settlements)],
  });
}
