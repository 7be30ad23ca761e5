import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { appendAudit } from '../../control-plane/audit/record.ts';
import { migrate } from '../../control-plane/database/migrate.ts';
import { reserve, settle, type Settlement } from '../../control-plane/quota/ledger.ts';
import { type Bound, NOTHING } from '../../control-plane/quota/units.ts';
import { recordUsage } from '../../control-plane/quota/usage-events.ts';
import type { UsageEvent } from '../../contracts/usage-event.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

const FREE: Bound[] = [];
const bounded = (period: Bound['period'], requests: number): Bound => ({ scope: 'tenant', period, requests });

let postgres: TestPostgres;
let owner: pg.Pool;
let gateway: pg.Pool;

function pool(credentials: { user: string; password: string }): pg.Pool {
  const { host, port, database } = postgres;
  const made = new pg.Pool({ host, port, database, max: 16, ...credentials });
  // The server is stopped as soon as the pools have ended, which may be before their last socket has closed.
  made.on('error', () => undefined);
  return made;
}

before(async () => {
  postgres = await startPostgres();
  owner = pool(postgres.owner);
  gateway = pool(postgres.gateway);
  await migrate(owner);
});

after(async () => {
  await Promise.all([owner.end(), gateway.end()]);
  await postgres.stop();
});

const reservation = (id: string, tenant: string) => ({
  ...NOTHING,
  id,
  tenant,
  project: '',
  service: 'cutout',
  principal: 'p',
  requests: 1,
});

function event(id: string, tenant: string, outcome: UsageEvent['outcome']): UsageEvent {
  const at = new Date().toISOString();
  return {
    id,
    tenant,
    service: 'cutout',
    principal: 'p',
    model: { name: 'm', sha256: '0'.repeat(64) },
    route: '/api/remove',
    outcome,
    units: { images: 1, pixels: 1000, computeMs: 10 },
    queueMs: 0,
    bytesIn: 1,
    bytesOut: 1,
    executionProvider: 'cpu',
    startedAt: at,
    finishedAt: at,
  };
}

async function counters(
  tenant: string,
): Promise<{ quota: number; charged: number; pixels: number; open: number }> {
  const { rows } = await owner.query<{ quota: string; charged: string; pixels: string; open: string }>(
    `SELECT
       (SELECT coalesce(sum(requests), 0) FROM imageplane.quota_counter WHERE tenant = $1 AND period = 'day') AS quota,
       (SELECT coalesce(sum(requests), 0) FROM imageplane.usage_daily WHERE tenant = $1) AS charged,
       (SELECT coalesce(sum(pixels), 0) FROM imageplane.quota_counter WHERE tenant = $1 AND period = 'month') AS pixels,
       (SELECT count(*) FROM imageplane.reservation WHERE tenant = $1 AND state = 'reserved') AS open`,
    [tenant],
  );
  const [row] = rows;
  assert.ok(row);
  return {
    quota: Number(row.quota),
    charged: Number(row.charged),
    pixels: Number(row.pixels),
    open: Number(row.open),
  };
}

let tenants = 0;
const newTenant = (): string => `t${tenants++}`;

describe('the ledger', () => {
  it('admits exactly the quota of a day under 32 concurrent clients', async () => {
    const tenant = newTenant();
    const results = await Promise.all(
      Array.from({ length: 200 }, () =>
        reserve(gateway, reservation(uuidv7(), tenant), [bounded('day', 37)]),
      ),
    );
    assert.equal(results.filter(({ admitted }) => admitted).length, 37);
    assert.deepEqual(await counters(tenant), { quota: 37, charged: 0, pixels: 0, open: 37 });
  });

  it('says which bound is spent and when it resets, and a refusal takes nothing', async () => {
    const tenant = newTenant();
    await reserve(gateway, reservation(uuidv7(), tenant), [bounded('day', 10), bounded('month', 1)]);
    const refused = await reserve(gateway, reservation(uuidv7(), tenant), [
      bounded('day', 10),
      bounded('month', 1),
    ]);
    assert.ok(!refused.admitted);
    assert.equal(refused.period, 'month');
    assert.equal(refused.limit, 1);
    assert.equal(refused.used, 1);
    assert.equal(refused.resetsAt.getUTCDate(), 1);
    assert.equal(refused.resetsAt.getUTCHours(), 0);
    assert.ok(refused.resetsAt > new Date());
    assert.equal((await counters(tenant)).quota, 1);
  });

  it('takes once for an id that is reserved twice', async () => {
    const tenant = newTenant();
    const id = uuidv7();
    await Promise.all([1, 2, 3].map(() => reserve(gateway, reservation(id, tenant), FREE)));
    assert.equal((await counters(tenant)).quota, 1);
  });

  it('gives back what was never settled, once it has expired', async () => {
    const tenant = newTenant();
    await reserve(gateway, reservation(uuidv7(), tenant), FREE);
    await owner.query(`SELECT imageplane.expire_reservations(now() + interval '1 hour')`);
    assert.deepEqual(await counters(tenant), { quota: 0, charged: 0, pixels: 0, open: 0 });
  });

  it('charges an expired reservation when its usage event arrives late', async () => {
    const tenant = newTenant();
    const id = uuidv7();
    await reserve(gateway, reservation(id, tenant), FREE);
    await owner.query(`SELECT imageplane.expire_reservations(now() + interval '1 hour')`);
    await recordUsage(owner, [event(id, tenant, 'succeeded')]);
    assert.deepEqual(await counters(tenant), { quota: 1, charged: 1, pixels: 1000, open: 0 });
  });

  it('believes the usage event over the gateway, in whichever order they come', async () => {
    for (const order of [0, 1]) {
      const tenant = newTenant();
      const id = uuidv7();
      await reserve(gateway, reservation(id, tenant), FREE);
      const steps = [
        () => recordUsage(owner, [event(id, tenant, 'failed')]),
        () => settle(gateway, [{ kind: 'charged', id }]),
      ];
      await steps[order]?.();
      await steps[1 - order]?.();
      assert.deepEqual(await counters(tenant), { quota: 0, charged: 0, pixels: 0, open: 0 });
    }
  });

  it('enters a charge made while it was away once, also when it had seen the reservation', async () => {
    const tenant = newTenant();
    const [seen, unseen] = [uuidv7(), uuidv7()];
    await reserve(gateway, reservation(seen, tenant), FREE);
    const charges: Settlement[] = [seen, unseen].map((id) => ({
      kind: 'charge',
      at: new Date().toISOString(),
      ...reservation(id, tenant),
    }));
    await settle(gateway, charges);
    await settle(gateway, charges);
    assert.deepEqual(await counters(tenant), { quota: 2, charged: 2, pixels: 0, open: 0 });
    await settle(gateway, [{ kind: 'released', id: unseen }]);
    assert.deepEqual(await counters(tenant), { quota: 1, charged: 1, pixels: 0, open: 0 });
  });

  it('comes to the same counters however often and in whatever batches the same facts are told', async () => {
    const story = fc.record({
      reserved: fc.boolean(),
      gateway: fc.constantFrom('charged', 'released', 'charge', 'none'),
      usage: fc.constantFrom('succeeded', 'failed', 'none'),
    });
    const stories = fc.array(story, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        stories,
        fc.integer({ min: 1, max: 3 }),
        fc.infiniteStream(fc.nat()),
        async (all, times, order) => {
          const tenant = newTenant();
          const told = all.map((one) => ({ ...one, id: uuidv7() }));
          for (const { id, reserved } of told)
            if (reserved) await reserve(gateway, reservation(id, tenant), FREE);
          const facts: (() => Promise<unknown>)[] = told.flatMap(({ id, gateway: seen, usage }) => [
            ...(seen === 'none' ? [] : [() => settle(gateway, [settlementOf(seen, id, tenant)])]),
            ...(usage === 'none' ? [] : [() => recordUsage(owner, [event(id, tenant, usage)])]),
          ]);
          const shuffled = Array.from({ length: times }, () => facts)
            .flat()
            .map((fact) => ({ fact, rank: Number(order.next().value) }))
            .sort((a, b) => a.rank - b.rank);
          await Promise.all(shuffled.map(({ fact }) => fact()));
          const expected = told.map(expectedOf);
          assert.deepEqual(await counters(tenant), {
            quota: expected.filter(({ quota }) => quota).length,
            charged: expected.filter(({ charged }) => charged).length,
            pixels: 1000 * told.filter(({ usage }) => usage === 'succeeded').length,
            open: expected.filter(({ quota, charged }) => quota && !charged).length,
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('lets the gateway reserve, settle and append, and read or change nothing else', async () => {
    for (const statement of [
      'SELECT * FROM imageplane.api_key',
      'SELECT * FROM imageplane.reservation',
      'UPDATE imageplane.quota_counter SET requests = 0',
      'DELETE FROM imageplane.audit_record',
      `SELECT imageplane.record_usage('[]')`,
      `SELECT imageplane.expire_reservations(now())`,
      `SELECT imageplane.reconcile_quota(now())`,
      'UPDATE imageplane.quota_balance SET requests = 0',
      'CREATE TABLE imageplane.mine ()',
      'CREATE TABLE public.mine ()',
    ])
      await assert.rejects(gateway.query(statement), /permission denied/, statement);
  });

  it('keeps an audit record once, and refuses to change or remove it', async () => {
    const record = {
      id: uuidv7(),
      at: new Date().toISOString(),
      tenant: 't',
      principal: 'p',
      action: 'infer',
      resource: 'service:t/s',
      allowed: true,
      rule: 'role:editor',
      method: 'POST',
      path: '/s/t/s/api/remove',
      status: 200,
      clientIp: '127.0.0.1',
      durationMs: 1,
      bytesIn: 1,
      bytesOut: 1,
    };
    await appendAudit(gateway, [record]);
    await appendAudit(gateway, [record]);
    const { rows } = await owner.query('SELECT detail FROM imageplane.audit_record WHERE id = $1', [
      record.id,
    ]);
    assert.equal(rows.length, 1);
    for (const statement of [
      'DELETE FROM imageplane.audit_record',
      `UPDATE imageplane.audit_record SET rule = ''`,
    ])
      await assert.rejects(owner.query(statement), /appended, never changed/);
  });

  it('drops whole months, and only those that have ended', async () => {
    await owner.query(`SELECT imageplane.ensure_partitions('2024-01-15T00:00:00Z')`);
    const { rows } = await owner.query<{ name: string }>(
      `SELECT imageplane.drop_partitions('2024-03-01T00:00:00Z') AS name`,
    );
    assert.deepEqual(
      rows.map(({ name }) => name).sort(),
      ['audit_record', 'reservation', 'usage_event'].flatMap((name) => [
        `${name}_2024_01`,
        `${name}_2024_02`,
      ]),
    );
  });
});

function settlementOf(kind: 'charged' | 'released' | 'charge', id: string, tenant: string): Settlement {
  return kind === 'charge'
    ? { kind, at: new Date().toISOString(), ...reservation(id, tenant) }
    : { kind, id };
}

interface Story {
  reserved: boolean;
  gateway: 'charged' | 'released' | 'charge' | 'none';
  usage: 'succeeded' | 'failed' | 'none';
}

/** The naive reference: the usage event decides; without one the gateway's word; without either it stays reserved. */
function expectedOf({ reserved, gateway: seen, usage }: Story): { quota: boolean; charged: boolean } {
  if (usage !== 'none') return { quota: usage === 'succeeded', charged: usage === 'succeeded' };
  if (seen === 'charge') return { quota: true, charged: true };
  if (!reserved) return { quota: false, charged: false };
  if (seen === 'none') return { quota: true, charged: false };
  return { quota: seen === 'charged', charged: seen === 'charged' };
}
