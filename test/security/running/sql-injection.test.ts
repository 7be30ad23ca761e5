import { randomBytes } from 'node:crypto';
import { after, before } from 'node:test';
import pg from 'pg';
import { migrate } from '../../../control-plane/database/migrate.ts';
import { kyselyOn } from '../../../control-plane/database/schema.ts';
import { generateApiKey } from '../../../control-plane/identity/api-key.ts';
import { findAccountByLogin, insertAccount } from '../../../control-plane/identity/accounts/store.ts';
import { findKeyHolder } from '../../../control-plane/identity/applications/tokens.ts';
import { insertKey, insertPrincipal } from '../../../control-plane/identity/store.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { stops } from '../attack.ts';

let postgres: TestPostgres;
let pool: pg.Pool;

before(async () => {
  postgres = await startPostgres();
  const { host, port, database, owner } = postgres;
  pool = new pg.Pool({ host, port, database, ...owner, max: 2 });
  pool.on('error', () => undefined);
  await migrate(pool);
  const db = kyselyOn(pool);
  const account = { login: 'ada', email: '', expiresAt: null, breakGlass: false, givenBy: '' };
  const ada = { id: 'ada', tenant: 'acme', kind: 'user' as const, name: 'Ada', department: '' };
  const { id, hash } = generateApiKey(randomBytes);
  await insertAccount(db, { ...account, principal: { ...ada, role: 'editor' } });
  await insertPrincipal(db, { ...ada, id: 'shop', kind: 'application', role: 'editor' });
  await insertKey(db, { id, principal: 'shop', sha256: hash, createdBy: 'ada', expiresAt: null });
});
after(async () => {
  await pool.end();
  await postgres.stop();
});

/** Whom a text that a client has sent finds. */
type Find = (text: string) => Promise<unknown>;

const INJECTIONS = ["' OR '1'='1", "' OR 1=1 --", "') OR ('1'='1", "' UNION SELECT 'ada' --"];

async function attack(find: Find): Promise<boolean> {
  for (const text of INJECTIONS) if ((await find(text).catch(() => undefined)) !== undefined) return true;
  return false;
}

const first = async (text: string): Promise<unknown> =>
  (await pool.query<{ principal: string }>(text)).rows[0]?.principal;

stops('a key that is a piece of SQL', attack, {
  naive: (): Find => (key) =>
    first(`SELECT principal FROM imageplane.api_key WHERE id || '_' || sha256 = '${key}'`),
  ours: (): Find => (key) => findKeyHolder(kyselyOn(pool), key, new Date()),
});
stops('a name that is a piece of SQL', attack, {
  naive: (): Find => (login) =>
    first(`SELECT principal FROM imageplane.local_account WHERE login = '${login}'`),
  ours: (): Find => (login) => findAccountByLogin(kyselyOn(pool), 'acme', login),
});
