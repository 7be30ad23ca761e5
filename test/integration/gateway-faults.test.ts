import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { v7 as uuidv7 } from 'uuid';
import { deliverEntries } from '../../control-plane/gateway/records.ts';
import { NOTHING } from '../../control-plane/quota/units.ts';
import { createLogger } from '../../foundation/logger.ts';
import { until } from '../support/program.ts';
import { createClient, codeOf, type Client } from './gateway/client.ts';
import { createWorld, type World } from './gateway/setup.ts';

let world: World;
let client: Client;
before(async () => {
  world = await createWorld();
  client = createClient(world);
});
after(async () => {
  await world.close();
});

/** The counters say what the reservations say: nothing is counted twice. */
async function isConsistent(): Promise<void> {
  const { charged = 0, reserved = 0 } = await client.states('burp');
  const { rows } = await world.db.query<{ requests: string }>(
    "SELECT sum(requests) AS requests FROM imageplane.quota_counter WHERE tenant = 'burp' AND period = 'day'",
  );
  assert.equal(Number(rows[0]?.requests), charged + reserved);
}

describe('faults', () => {
  it('loses no settlement when the gateway is killed, and knows its keys again without the API', async () => {
    const ids: (string | null)[] = [];
    const work = Array.from({ length: 8 }, async () => {
      for (;;) {
        const response = await client
          .call('/s/burp/cutout/', 'bob', { method: 'POST', body: 'x' })
          .catch(() => undefined);
        if (response === undefined) return;
        const text = await response.text().catch(() => undefined);
        if (text === undefined) return;
        assert.equal(response.status, 200);
        ids.push(response.headers.get('x-request-id'));
      }
    });
    await until('some requests are answered', () => ids.length >= 40);
    await world.gateway.stop('SIGKILL');
    await Promise.all(work);
    world.snapshots.up.value = false;
    await world.startGateway();
    assert.equal((await client.call('/s/burp/cutout/', 'bob', { method: 'POST' })).status, 200);
    world.snapshots.up.value = true;
    await client.delivered();
    const { rows } = await world.db.query<{ id: string; state: string }>(
      'SELECT id, state FROM imageplane.reservation WHERE id = ANY($1::uuid[])',
      [ids],
    );
    assert.equal(rows.length, ids.length);
    assert.deepEqual([...new Set(rows.map(({ state }) => state))], ['charged']);
    const audited = await world.db.query(
      'SELECT id FROM imageplane.audit_record WHERE id = ANY($1::uuid[])',
      [ids],
    );
    assert.equal(audited.rows.length, ids.length);
  });

  it('has settlement and audit record on its disk before the client has the last byte', async () => {
    const onDisk = (): string =>
      readdirSync(world.config.outbox)
        .map((name) => readFileSync(join(world.config.outbox, name), 'utf8'))
        .join('');
    const locking = await world.db.connect();
    await locking.query('BEGIN; LOCK TABLE imageplane.audit_record IN ACCESS EXCLUSIVE MODE');
    try {
      for (let count = 0; count < 50; count++) {
        const response = await client.call('/s/burp/cutout/', 'bob', { method: 'POST', body: 'x' });
        await response.text();
        const [id, lines] = [response.headers.get('x-request-id') ?? '', onDisk()];
        assert.match(lines, new RegExp(`"kind":"charged","id":"${id}"`));
        assert.match(lines, new RegExp(`"audit":\\{"id":"${id}"`));
      }
    } finally {
      await locking.query('ROLLBACK');
      locking.release();
    }
    await client.delivered();
  });

  it('serves so many requests while the ledger is away, then none, and charges each exactly once', async () => {
    const before = (await client.states('burp'))['charged'] ?? 0;
    await world.postgres.kill('SIGKILL');
    const post = (path = ''): Promise<Response> =>
      client.call(`/s/burp/cutout/${path}`, 'bob', { method: 'POST', body: 'x' });
    assert.equal((await post('fail')).headers.get('x-imageplane-degraded'), 'ledger');
    for (let count = 0; count < 4; count++) {
      const response = await post();
      assert.deepEqual([response.status, response.headers.get('x-imageplane-degraded')], [200, 'ledger']);
    }
    const refused = await post();
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal(await codeOf(refused), '503 ledger_unavailable');
    // The charges are on the disk: even this gateway's end does not lose them.
    await world.gateway.stop('SIGKILL');
    await world.postgres.restart();
    await world.startGateway();
    await client.delivered();
    await until(
      'the ledger answers again',
      async () => (await post()).headers.get('x-imageplane-degraded') === null,
    );
    await client.delivered();
    const after = await client.states('burp');
    assert.equal(after['released'], 1);
    await isConsistent();
    assert.ok((after['charged'] ?? 0) >= before + 5);
  });

  it('waits for a ledger that hangs no longer than its timeout, and charges once when it comes back', async () => {
    const locking = await world.db.connect();
    await locking.query('BEGIN');
    await locking.query("SELECT * FROM imageplane.quota_counter WHERE tenant = 'burp' FOR UPDATE");
    const responses = await Promise.all(
      [1, 2, 3].map(() => client.call('/s/burp/cutout/', 'bob', { method: 'POST', body: 'x' })),
    );
    assert.deepEqual(
      responses.map(({ status, headers }) => [status, headers.get('x-imageplane-degraded')]),
      [1, 2, 3].map(() => [200, 'ledger']),
    );
    await locking.query('ROLLBACK');
    locking.release();
    for (const response of responses) await client.settlesAs(response, 'charged');
    await client.delivered();
    await isConsistent();
  });

  it('sets aside a record that the database can never take, and delivers those around it', async () => {
    const pool = world.gatewayPool();
    const id = uuidv7();
    const rejected: number[] = [];
    const charge = { kind: 'charge', at: new Date().toISOString(), tenant: 'burp' } as const;
    const details = { ...NOTHING, project: '', service: 'cutout', principal: 'bob', requests: 1 };
    await deliverEntries(
      [
        { settlement: { kind: 'charged', id: 'not a uuid' } },
        { settlement: { ...charge, ...details, id } },
        { settlement: { kind: 'released', id } },
      ],
      { pool, logger: createLogger('test', 'silent'), onRejected: (count) => rejected.push(count) },
    );
    await pool.end();
    assert.deepEqual(rejected, [1]);
    assert.equal(await client.stateOf(id), 'released');
  });

  it('keeps the snapshot it has when it is given an older one, though signed', async () => {
    const { hash = '' } = world.keys['vic'] ?? {};
    const old = structuredClone(world.snapshot);
    await world.publish(({ keys }) => {
      Reflect.deleteProperty(keys, hash);
    });
    const view = (): Promise<Response> => client.call('/s/acme/pages/page', 'vic');
    assert.equal(await codeOf(await view()), '401 key_unknown');
    await world.snapshots.publish({ ...old, version: 'replayed' });
    const before = world.snapshots.polls().all;
    await until('it has been asked twice', () => world.snapshots.polls().all > before + 1);
    assert.equal(await codeOf(await view()), '401 key_unknown');
    await world.publish((snapshot) => Object.assign(snapshot, old, { version: '1000' }));
    assert.equal((await view()).status, 200);
  });

  it('refuses to go on by a snapshot that is too old, and its readiness says so', async () => {
    await world.gateway.stop();
    await world.startGateway({ snapshot: { ...world.config.snapshot, maxAgeSeconds: 1 } });
    assert.deepEqual(await world.readiness(), { status: 200, body: { ready: true, problems: [] } });
    world.snapshots.up.value = false;
    await until('it is not ready', async () => (await world.readiness()).status === 503);
    assert.match(JSON.stringify((await world.readiness()).body), /snapshot_stale.*answered 500/);
    const refused = await client.call('/s/acme/cutout/', 'ada', { method: 'POST' });
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal(await codeOf(refused), '503 snapshot_stale');
    world.snapshots.up.value = true;
    await until('it is ready again', async () => (await world.readiness()).status === 200);
  });

  it('ends in order when told to', async () => {
    assert.equal(await world.gateway.stop('SIGTERM'), 0);
    await world.startGateway();
    assert.equal((await client.call('/s/acme/cutout/', 'ada', { method: 'POST' })).status, 200);
  });
});
