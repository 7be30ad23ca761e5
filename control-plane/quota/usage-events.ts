import type { ClientBase, Pool } from 'pg';
import type { UsageEvent } from '../../contracts/usage-event.ts';

/** Gives how many of the events were new. */
export async function recordUsage(
  db: Pick<Pool | ClientBase, 'query'>,
  events: UsageEvent[],
): Promise<number> {
  const { rows } = await db.query<{ recorded: number }>({
    name: 'record_usage',
    text: 'SELECT imageplane.record_usage($1::jsonb) AS recorded',
    values: [JSON.stringify(events)],
  });
  return rows[0]?.recorded ?? 0;
}
