import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createIdentityWorld, type IdentityWorld } from '../support/identity-world.ts';
import { until } from '../support/program.ts';

let world: IdentityWorld;
let admin: string;

before(async () => {
  world = await createIdentityWorld();
  admin = await world.adminKey('acme');
});
after(async () => {
  await world.close();
});

async function json<T>(response: Response, status: number): Promise<T> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}
async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return `${response.status} ${error.code}`;
}

interface Made {
  id: string;
  keyId: string;
  apiKey: string;
}
const create = async (more: object = {}): Promise<Made> =>
  json(await world.call(admin, 'POST', '/api/v1/applications', { name: 'shop', ...more }), 201);
const visit = (bearer: string): Promise<Response> => world.call(bearer, 'GET', '/s/acme/echo/x');

describe('keys and accounts that nobody uses', () => {
  it('are said to expire 14, 7 and 1 days before, once each', async () => {
    const made = await create({ keyDays: 90 });
    const id = made.keyId.slice(4);
    const days = async (): Promise<string[]> => {
      const { rows } = await world.db.query<{ rule: string }>(
        "SELECT rule FROM imageplane.audit_record WHERE action = 'keys:expiring' AND resource = $1 ORDER BY id",
        [`key:${id}`],
      );
      return rows.map(({ rule }) => rule);
    };
    for (const [left, expected] of [
      ['20 days', 0],
      ['13 days 23 hours', 1],
      ['10 days', 1],
      ['6 days', 2],
      ['20 hours', 3],
    ] as const) {
      await world.db.query(
        `UPDATE imageplane.api_key SET expires_at = now() + interval '${left}' WHERE id = $1`,
        [id],
      );
      await restartApi();
      await until(`${expected} notices with ${left} left`, async () => (await days()).length === expected);
    }
    assert.deepEqual(await days(), ['expires-within:14d', 'expires-within:7d', 'expires-within:1d']);
    const { notices } = await json<{ notices: { key: string; days: number }[] }>(
      await world.call(admin, 'GET', '/api/v1/key-notices'),
      200,
    );
    assert.partialDeepStrictEqual(
      notices.find(({ key }) => key === id),
      { days: 1 },
    );
  });

  it('are not taken for unused for the time before uses were counted', async () => {
    const aged = await create();
    const expired = await create();
    for (const table of ['principal WHERE id', 'api_key WHERE principal'])
      await world.db.query(
        `UPDATE imageplane.${table.replace(' WHERE', " SET created_at = now() - interval '200 days' WHERE")} = $1`,
        [aged.id],
      );
    await world.db.query('UPDATE imageplane.principal SET expires_at = now() WHERE id = $1', [expired.id]);
    await restartApi();
    const listedIds = async (): Promise<string[]> => {
      const { rows } = await world.db.query<{ id: string }>(
        'SELECT id FROM imageplane.stale_listing WHERE disabled_at IS NOT NULL',
      );
      return rows.map(({ id }) => id);
    };
    await until('what had expired is disabled', async () => (await listedIds()).includes(expired.id));
    const { rows } = await world.db.query('SELECT 1 FROM imageplane.stale_listing WHERE id = $1', [aged.id]);
    assert.equal(rows.length, 0);
  });

  it('are listed a month before, and disabled by rule', async () => {
    const old = await create();
    const older = await create();
    const used = await create();
    await world.synced();
    const age = (id: string, days: number): Promise<unknown> =>
      world.db.query(
        `WITH p AS (UPDATE imageplane.principal SET created_at = now() - $2 * interval '1 day' WHERE id = $1),
              u AS (DELETE FROM imageplane.last_use WHERE id = $1)
         UPDATE imageplane.api_key SET created_at = now() - $2 * interval '1 day' WHERE principal = $1`,
        [id, days],
      );
    await world.db.query(
      "UPDATE imageplane.last_use SET used_at = now() - interval '200 days' WHERE kind = 'rule' AND id = 'counted-since'",
    );
    await age(old.id, 70);
    await age(older.id, 95);
    await age(used.id, 95);
    await world.db.query(
      `INSERT INTO imageplane.last_use VALUES ('principal', $1, now()), ('key', $2, now())
       ON CONFLICT (kind, id) DO UPDATE SET used_at = excluded.used_at`,
      [used.id, used.keyId.slice(4)],
    );
    await restartApi();
    interface Line {
      id: string;
      reason: string;
      disabledAt: string | null;
    }
    const lines = async (): Promise<Line[]> =>
      (await json<{ lines: Line[] }>(await world.call(admin, 'GET', '/api/v1/stale'), 200)).lines;
    await until('the rule was applied', async () =>
      (await lines()).some(({ id, disabledAt }) => id === older.id && disabledAt !== null),
    );
    const found = await lines();
    assert.partialDeepStrictEqual(
      found.find(({ id }) => id === old.id),
      { reason: 'unused', disabledAt: null },
    );
    assert.equal(
      found.some(({ id }) => id === used.id),
      false,
    );
    await until('the old key is refused', async () => (await visit(older.apiKey)).status === 401);
    assert.equal((await visit(old.apiKey)).status, 200);
  });
});

async function restartApi(): Promise<void> {
  await world.api.stop();
  await world.startApi();
}

describe('an access review', () => {
  it('lists every right with who gave it, and withdraws it line by line', async () => {
    const made = await create({ name: 'reviewed' });
    await world.synced();
    assert.equal((await visit(made.apiKey)).status, 200);
    const opened = await json<{ id: string; lines: number }>(
      await world.call(admin, 'POST', '/api/v1/access-reviews'),
      201,
    );
    const path = `/api/v1/access-reviews/${opened.id}`;
    interface Line {
      line: number;
      kind: string;
      subject: string;
      givenBy: string;
      what: string;
    }
    const { lines } = await json<{ lines: Line[] }>(
      await world.call(admin, 'GET', `${path}?limit=1000`),
      200,
    );
    assert.equal(lines.length, opened.lines);
    const own = lines.filter(({ subject }) => subject === made.id);
    assert.deepEqual(
      own.map(({ kind, givenBy }) => [kind, givenBy]),
      [
        ['role', 'demo-acme'],
        ['key', 'demo-acme'],
      ],
    );
    const decide = (line: number, decision: string): Promise<Response> =>
      world.call(admin, 'POST', `${path}/lines/${line}`, { decision });
    assert.equal(await codeOf(await world.call(admin, 'POST', `${path}/close`)), '409 lines_undecided');
    for (const { line, kind, subject } of lines)
      assert.equal(
        (await decide(line, subject === made.id && kind === 'key' ? 'withdraw' : 'keep')).status,
        204,
      );
    assert.equal((await world.call(admin, 'POST', `${path}/close`)).status, 204);
    await until('the key is refused', async () => (await visit(made.apiKey)).status === 401);
    assert.equal(await codeOf(await decide(own[0]?.line ?? 0, 'withdraw')), '409 review_closed');
    const foreign = await world.adminKey('strict');
    assert.equal(await codeOf(await world.call(foreign, 'GET', path)), '404 review_not_found');
  });
});
