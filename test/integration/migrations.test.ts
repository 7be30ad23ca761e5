import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { migrate } from '../../control-plane/database/migrate.ts';
import { type Database, kyselyOn } from '../../control-plane/database/schema.ts';
import { readPeople } from '../../control-plane/identity/store.ts';
import { readBalances } from '../../control-plane/quota/adjustments.ts';
import { reserve } from '../../control-plane/quota/ledger.ts';
import { NOTHING } from '../../control-plane/quota/units.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let owner: pg.Pool;
let gateway: pg.Pool;
let db: Database;

function pool(credentials: { user: string; password: string }): pg.Pool {
  const { host, port, database } = postgres;
  const made = new pg.Pool({ host, port, database, max: 2, ...credentials });
  made.on('error', () => undefined);
  return made;
}

const NAMES = [
  'open',
  'late',
  'charged',
  'reported',
  'released',
  'failed',
  'expired',
  'offline',
  'only',
] as const;
type Name = (typeof NAMES)[number];
const ids = Object.fromEntries(NAMES.map((name) => [name, uuidv7()])) as Record<Name, string>;

const usageEvent = (
  name: Name,
  outcome: 'succeeded' | 'failed',
  pixels: number,
  computeMs: number,
): object => {
  const at = new Date().toISOString();
  return {
    ...{ id: ids[name], tenant: 'acme', service: 'cutout', principal: 'ada', outcome },
    ...{ units: { images: 1, pixels, computeMs }, startedAt: at, finishedAt: at },
  };
};
const recordUsage = (...events: object[]): Promise<unknown> =>
  owner.query('SELECT imageplane.record_usage($1::jsonb)', [JSON.stringify(events)]);
const settle = (...settlements: object[]): Promise<unknown> =>
  gateway.query('SELECT imageplane.settle($1::jsonb)', [JSON.stringify(settlements)]);

/** What a product of migration 0005 writes in a day, by its own functions. */
async function useLedger(): Promise<void> {
  for (const name of ['open', 'late', 'charged', 'reported', 'released', 'failed', 'expired'] as const)
    await gateway.query('SELECT * FROM imageplane.reserve($1, $2, $3, $4, 1, 100, 1000)', [
      ...[ids[name], 'acme', 'cutout', name === 'late' ? 'bob' : 'ada'],
    ]);
  await settle(
    ...(['late', 'charged', 'reported'] as const).map((name) => ({ kind: 'charged', id: ids[name] })),
    ...(['released', 'failed'] as const).map((name) => ({ kind: 'released', id: ids[name] })),
    {
      ...{ kind: 'charge', at: new Date().toISOString(), requests: 1, id: ids.offline },
      ...{ tenant: 'acme', service: 'cutout', principal: 'ada' },
    },
  );
  await recordUsage(
    usageEvent('reported', 'succeeded', 1_000, 20),
    usageEvent('failed', 'failed', 500, 7),
    usageEvent('only', 'succeeded', 3_000, 40),
  );
  await owner.query(
    `UPDATE imageplane.reservation SET expires_at = now() - interval '1 minute' WHERE id = $1`,
    [ids.expired],
  );
  await owner.query('SELECT imageplane.expire_reservations(now())');
  // A month of which nothing but its sums is left.
  await owner.query(
    `INSERT INTO imageplane.quota_counter VALUES ('acme', 'month', '2020-01-01', 41, 42, 43)`,
  );
  await gateway.query('SELECT imageplane.append_audit($1::jsonb)', [
    JSON.stringify([
      {
        ...{ id: uuidv7(), at: new Date().toISOString(), tenant: 'acme', principal: 'ada', action: 'infer' },
        ...{ resource: 'service:acme/cutout', allowed: true, rule: 'role:editor', status: 200 },
      },
    ]),
  ]);
}

const sha = (digit: string): string => digit.repeat(64);
async function registerPeople(): Promise<void> {
  await owner.query(`
    INSERT INTO imageplane.principal (id, tenant, kind, name, department, role, epoch, expires_at, disabled_at) VALUES
      ('ada', 'acme', 'user', 'Ada', '市场部', 'editor', 3, '2100-01-01', NULL),
      ('bob', 'acme', 'user', 'Bob', '', 'viewer', 0, NULL, now()),
      ('shop', 'acme', 'application', 'Shop', '', 'tester', 0, NULL, NULL);
    INSERT INTO imageplane.api_key (id, principal, sha256, created_by, expires_at, revoked_at, scopes, signing_secret) VALUES
      ('k1', 'shop', '${sha('1')}', 'ada', '2100-01-01', NULL,
        '{"services": ["cutout"], "actions": ["infer"], "cidrs": ["10.0.0.0/8"]}', 'wrapped'),
      ('k2', 'shop', '${sha('2')}', 'ada', NULL, now(), NULL, NULL),
      ('k3', 'ada', '${sha('3')}', 'ada', NULL, NULL, NULL, NULL),
      ('k4', 'bob', '${sha('4')}', 'ada', NULL, NULL, NULL, NULL);
    INSERT INTO imageplane.local_account (principal, tenant, login, password, totp_secret, totp_step, failures, locked_at)
      VALUES ('ada', 'acme', 'ada', 'scrypt$1', 'wrapped', 7, 2, now());
    INSERT INTO imageplane.account_link VALUES ('${sha('5')}', 'ada', 'bob', now(), now() + interval '7 days', NULL);
    INSERT INTO imageplane.recovery_code VALUES ('ada', '${sha('6')}', now());
    INSERT INTO imageplane.application (principal, owner, description, scopes, created_by)
      VALUES ('shop', 'ada', 'web shop', '{"services": ["cutout"]}', 'ada');
    INSERT INTO imageplane.key_notice VALUES ('k1', 14, now());
    INSERT INTO imageplane.token_family VALUES ('${uuidv7()}', 'shop', 'k1', now(), now() + interval '1 day', now());
    INSERT INTO imageplane.refresh_token SELECT '${sha('7')}', id, now() + interval '1 day', NULL FROM imageplane.token_family;
    INSERT INTO imageplane.last_use VALUES ('rule', 'role:editor', now()), ('key', 'k1', now());
    INSERT INTO imageplane.stale_listing VALUES ('2020-01-01', 'acme', 'key', 'k2', 'Shop', 'expired', NULL, now());
    INSERT INTO imageplane.access_review VALUES ('${uuidv7()}', 'acme', 'ada', now(), NULL);
    INSERT INTO imageplane.access_review_line
      SELECT id, 1, 'role', 'ada', 'ada', 'Ada', 'editor', 'root', now(), now(), 'keep', 'ada', now() FROM imageplane.access_review;
    INSERT INTO imageplane.identity
      VALUES ('i1', 'corp', 'https://id.example.com', 's1', 'Ada', '市场部', '["staff"]', 'wrapped', now(), now(), NULL, NULL, NULL);
    INSERT INTO imageplane.identity_principal VALUES ('i1', 'acme', 'ada', NULL);
    INSERT INTO imageplane.session
      VALUES ('s1', 'ada', 3, 'i1', NULL, '["pwd", "otp"]', NULL, now(), now(), now(), now() + interval '8 hours', '192.0.2.7', 'agent', NULL, NULL);
  `);
}

type Row = Record<string, unknown>;

/** Every row of every table and view, without partitions, which their parents show, and kysely's own. */
async function everything(): Promise<Map<string, Row[]>> {
  const { rows: tables } = await owner.query<{ name: string }>(`
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'imageplane'::regnamespace
      AND relkind IN ('r', 'p', 'v') AND NOT relispartition AND relname NOT LIKE 'kysely%'`);
  const found = new Map<string, Row[]>();
  for (const { name } of tables) {
    const { rows } = await owner.query<{ row: Row }>(
      `SELECT to_jsonb(t) AS row FROM imageplane.${pg.escapeIdentifier(name)} t`,
    );
    found.set(
      name,
      rows.map(({ row }) => row),
    );
  }
  return found;
}

/** Functions that the gateway's role may call, by name. */
async function ofGateway(): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>(
    `SELECT proname AS name FROM pg_proc WHERE pronamespace = 'imageplane'::regnamespace
       AND has_function_privilege($1, oid, 'EXECUTE') ORDER BY 1`,
    [postgres.gateway.user],
  );
  return rows.map(({ name }) => name);
}

/** Rows as they were, whatever columns were added. */
const columnsOf = (row: Row, like: Row): Row =>
  Object.fromEntries(Object.keys(like).map((column) => [column, row[column]]));
const sorted = (rows: Row[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

let old: Map<string, Row[]>;
let keysBefore: Awaited<ReturnType<typeof readPeople>>;
let allowedBefore: string[];
const now = new Date();

before(async () => {
  postgres = await startPostgres();
  owner = pool(postgres.owner);
  gateway = pool(postgres.gateway);
  db = kyselyOn(owner);
  const ran = await migrate(owner, '0005-sign-in');
  assert.equal(ran.at(-1), '0005-sign-in');
  await useLedger();
  await registerPeople();
  old = await everything();
  keysBefore = await readPeople(db, now);
  allowedBefore = await ofGateway();
});

after(async () => {
  await Promise.all([owner.end(), gateway.end()]);
  await postgres.stop();
});

describe('a database that was filled before limits in further units and access came', () => {
  it('is brought up once, and keeps every row of every table', async () => {
    assert.deepEqual(
      [...old].filter(([, rows]) => rows.length === 0).map(([name]) => name),
      [],
      'a table without rows proves nothing',
    );
    assert.deepEqual(await migrate(owner), ['0006-quota-units', '0007-access']);
    assert.deepEqual(await migrate(owner), []);
    const upgraded = await everything();
    for (const [name, rows] of old) {
      const [like = {}] = rows;
      assert.deepEqual(
        sorted((upgraded.get(name) ?? []).map((row) => columnsOf(row, like))),
        sorted(rows),
        name,
      );
    }
  });

  it('opens with the same keys, for the same people, within the same scopes', async () => {
    assert.deepEqual(Object.keys(keysBefore.keys).sort(), [sha('1'), sha('3')]);
    assert.deepEqual(keysBefore.keys[sha('1')]?.scopes, {
      services: ['cutout'],
      actions: ['infer'],
      cidrs: ['10.0.0.0/8'],
    });
    assert.deepEqual(await readPeople(db, now), keysBefore);
  });

  it('lets the gateway call what it could, the tables of grants and balances stay closed to it', async () => {
    assert.deepEqual(allowedBefore, ['append_audit', 'note_use', 'reserve', 'settle']);
    assert.deepEqual(await ofGateway(), [
      ...['append_audit', 'note_profiles', 'note_use', 'read_profile', 'renew_leases', 'reserve', 'settle'],
    ]);
    for (const table of ['quota_balance', 'quota_counter', 'access_grant', 'custom_role', 'access_profile'])
      await assert.rejects(gateway.query(`SELECT * FROM imageplane.${table}`), /permission denied/, table);
  });

  it('counts for each user what its reservations hold, and for the tenant what it did', async () => {
    const balances = await readBalances(db, { tenant: 'acme' }, new Date());
    const held = Object.fromEntries(
      balances
        .filter(({ period }) => period === 'month')
        .map(({ scope, subject, held: amounts }) => [`${scope}:${subject}`, amounts]),
    );
    // open, late, charged, reported, offline and only; pixels and time of the three events.
    assert.deepEqual(held, {
      'tenant:': { requests: 6, pixels: 4_000, steps: 0, computeMs: 67 },
      'user:ada': { requests: 5, pixels: 4_000, steps: 0, computeMs: 67 },
      'user:bob': { requests: 1, pixels: 0, steps: 0, computeMs: 0 },
    });
    const { rows } = await owner.query('SELECT * FROM imageplane.reconcile_quota(now())');
    assert.deepEqual(rows, []);
  });

  it('settles what was under way, by what gateways and servers had written down before', async () => {
    const again = {
      ...NOTHING,
      requests: 1,
      tenant: 'acme',
      project: '',
      service: 'cutout',
      principal: 'ada',
    };
    const bound = [{ scope: 'tenant' as const, period: 'day' as const, requests: 6 }];
    // Known already: asking again takes nothing, even where nothing is left.
    assert.deepEqual(await reserve(gateway, { ...again, id: ids.open }, bound), { admitted: true });
    assert.equal((await reserve(gateway, { ...again, id: uuidv7() }, bound)).admitted, false);
    await settle(
      { kind: 'charged', id: ids.late },
      { kind: 'charge', at: new Date().toISOString(), ...again, id: ids.offline },
    );
    await recordUsage(
      usageEvent('reported', 'succeeded', 1_000, 20),
      usageEvent('late', 'succeeded', 5_000, 60),
      usageEvent('expired', 'succeeded', 7, 8),
    );
    await owner.query(
      `UPDATE imageplane.reservation SET expires_at = now() - interval '1 minute' WHERE id = $1`,
      [ids.open],
    );
    await owner.query('SELECT imageplane.expire_reservations(now())');
    const { rows } = await owner.query(
      `SELECT requests, pixels, steps, compute_ms FROM imageplane.quota_counter
       WHERE tenant = 'acme' AND period = 'day'`,
    );
    // Without open, which expired, and with expired, which was served after all.
    assert.deepEqual(rows, [{ requests: '6', pixels: '9007', steps: '0', compute_ms: '135' }]);
    const wrong = await owner.query('SELECT * FROM imageplane.reconcile_quota(now())');
    assert.deepEqual(wrong.rows, []);
  });
});
