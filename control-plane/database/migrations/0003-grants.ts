import { type Kysely, sql } from 'kysely';

/** The gateway may reserve, settle and append to the audit, and nothing else: it reads no table. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA imageplane FROM PUBLIC;
    GRANT USAGE ON SCHEMA imageplane TO imageplane_gateway;
    GRANT EXECUTE ON FUNCTION imageplane.reserve(uuid, text, text, text, integer, bigint, bigint) TO imageplane_gateway;
    GRANT EXECUTE ON FUNCTION imageplane.settle(jsonb) TO imageplane_gateway;
    GRANT EXECUTE ON FUNCTION imageplane.append_audit(jsonb) TO imageplane_gateway;
  `.execute(db);
}
