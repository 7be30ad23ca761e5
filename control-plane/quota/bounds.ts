import type { QuotaBound } from '../../contracts/snapshot.ts';
import type { Database } from '../database/schema.ts';

/** All bounds that administrators set, in one order: equal bounds are equal snapshots. */
export async function readBounds(db: Database): Promise<QuotaBound[]> {
  const rows = await db
    .selectFrom('quota_bound')
    .select(['tenant', 'scope', 'subject', 'period', 'unit', 'bound'])
    .orderBy('tenant')
    .orderBy('scope')
    .orderBy('subject')
    .orderBy('period')
    .orderBy('unit')
    .execute();
  return rows.map((row) => ({ ...row, bound: Number(row.bound) }));
}

/** Sets a bound, or takes it away when it is null. */
export async function setBound(
  db: Database,
  { bound, ...of }: Omit<QuotaBound, 'bound'> & { bound: number | null },
  by: { id: string; now: Date },
): Promise<void> {
  if (bound === null) {
    const { tenant, scope, subject, period, unit } = of;
    await db
      .deleteFrom('quota_bound')
      .where((where) => where.and({ tenant, scope, subject, period, unit }))
      .execute();
    return;
  }
  const value = { bound: String(bound), set_by: by.id, set_at: by.now };
  await db
    .insertInto('quota_bound')
    .values({ ...of, ...value })
    .onConflict((conflict) =>
      conflict.columns(['tenant', 'scope', 'subject', 'period', 'unit']).doUpdateSet(value),
    )
    .execute();
}
