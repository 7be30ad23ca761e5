import { Kysely, PostgresDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import type pg from 'pg';
import { up as tables } from './migrations/0001-tables.ts';
import { up as ledger } from './migrations/0002-ledger.ts';
import { up as grants } from './migrations/0003-grants.ts';
import { up as accounts } from './migrations/0004-accounts.ts';
import { up as signIn } from './migrations/0005-sign-in.ts';
import { up as quotaUnits } from './migrations/0006-quota-units.ts';
import { up as access } from './migrations/0007-access.ts';

/** In their order; a migration that has landed is never changed. */
const migrations = {
  '0001-tables': { up: tables },
  '0002-ledger': { up: ledger },
  '0003-grants': { up: grants },
  '0004-accounts': { up: accounts },
  '0005-sign-in': { up: signIn },
  '0006-quota-units': { up: quotaUnits },
  '0007-access': { up: access },
};

/**
 * Brings the database to the newest schema, or to `target`. Gives the names of the migrations it ran. Safe to run from
 * several processes at once: kysely takes a lock.
 */
export async function migrate(pool: pg.Pool, target?: keyof typeof migrations): Promise<string[]> {
  await pool.query('CREATE SCHEMA IF NOT EXISTS imageplane');
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  const migrator = new Migrator({
    db,
    migrationTableSchema: 'imageplane',
    provider: { getMigrations: () => Promise.resolve(migrations) },
  });
  const { error, results = [] } = await (target === undefined
    ? migrator.migrateToLatest()
    : migrator.migrateTo(target));
  const failed = results.find(({ status }) => status === 'Error');
  if (error !== undefined)
    throw new Error(`Migration ${failed?.migrationName ?? ''} failed`, { cause: error });
  return results.map(({ migrationName }) => migrationName);
}
