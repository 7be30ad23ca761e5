import type { ClientBase, Pool } from 'pg';
import type { UsageEvent } from '../../contracts/usage-event.ts';

export interface RecordedUsage {
  /** How many were new. */
  recorded: number;
  /** Ids of requests that another service served: those events count nowhere. */
  foreign: ReadonlySet<string>;
}

export async function recordUsage(
  db: Pick<Pool | ClientBase, 'query'>,
  events: UsageEvent[],
): Promise<RecordedUsage> {
  const { rows } = await db.query<{ recorded: number; foreign: string[] | null }>({
    name: 'record_usage',
    text: `
      SELECT imageplane.record_usage($1::jsonb) AS recorded, (
        SELECT array_agg(r.id) FROM imageplane.reservation r
          JOIN jsonb_to_recordset($1::jsonb) AS e (id uuid, tenant text, service text) USING (id)
        WHERE (r.tenant, r.service) IS DISTINCT FROM (e.tenant, e.service)
      ) AS foreign`,
    values: [JSON.stringify(events)],
  });
  const [row] = rows;
  return { recorded: row?.recorded ?? 0, foreign: new Set(row?.foreign ?? []) };
}
