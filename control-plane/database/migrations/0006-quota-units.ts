import { type Kysely, sql } from 'kysely';
import { balances, tables } from './0006/tables.ts';
import { reconciling, reserving, settling, usage } from './0006/functions.ts';

/**
 * One ledger for four units (requests, pixels, steps, milliseconds of compute), held by tenant, project and user, in
 * days and months of UTC. A balance is the sum of its reservations: of requests, those `reserved` or `charged`; of the
 * other units, what each reservation holds, which is its worst case until somebody knows better. Whoever changes a
 * reservation changes the balances in the same transaction, and locks them in the order of their key: no deadlock.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const part of [tables, balances, reserving, settling, usage, reconciling]) await part.execute(db);
  // Users and projects have had no balances so far.
  await sql`SELECT imageplane.reconcile_quota(now())`.execute(db);
  await sql`
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA imageplane FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION imageplane.reserve(jsonb, jsonb) TO imageplane_gateway;
    GRANT EXECUTE ON FUNCTION imageplane.renew_leases(uuid[]) TO imageplane_gateway;
    GRANT EXECUTE ON FUNCTION imageplane.settle(jsonb) TO imageplane_gateway;
  `.execute(db);
}
