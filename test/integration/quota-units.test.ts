import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { adjust, readBalances } from '../../control-plane/quota/adjustments.ts';
import { migrate } from '../../control-plane/database/migrate.ts';
import { type Database, kyselyOn } from '../../control-plane/database/schema.ts';
import { renewLeases, reserve, type Reservation, settle } from '../../control-plane/quota/ledger.ts';
import { type Amounts, type Bound, NOTHING, units } from '../../control-plane/quota/units.ts';
import { recordUsage } from '../../control-plane/quota/usage-events.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let owner: pg.Pool;
let gateway: pg.Pool;
let db: Database;

function pool(credentials: { user: string; password: string }): pg.Pool {
  const { host, port, database } = postgres;
  const made = new pg.Pool({ host, port, database, max: 16, ...credentials });
  made.on('error', () => undefined);
  return made;
}

before(async () => {
  postgres = await startPostgres();
  owner = pool(postgres.owner);
  gateway = pool(postgres.gateway);
  await migrate(owner);
  db = kyselyOn(owner);
});

after(async () => {
  await Promise.all([owner.end(), gateway.end()]);
  await postgres.stop();
});

let tenants = 0;
const newTenant = (): string => `t${tenants++}`;

const reservation = (tenant: string, changes: Partial<Reservation> = {}): Reservation => ({
  ...NOTHING,
  id: uuidv7(),
  tenant,
  project: '',
  service: 'cutout',
  principal: 'ada',
  requests: 1,
  ...changes,
});

function event(
  of: Reservation,
  outcome: string,
  amounts: { pixels: number; steps: number; computeMs: number },
) {
  const at = new Date().toISOString();
  return {
    ...{ id: of.id, tenant: of.tenant, service: of.service, principal: of.principal },
    ...{ model: { name: 'm', sha256: '0'.repeat(64) }, route: '/', outcome: outcome as 'succeeded' },
    units: { images: 1, ...amounts },
    ...{ queueMs: 0, bytesIn: 1, bytesOut: 1, executionProvider: 'cpu', startedAt: at, finishedAt: at },
  };
}

/** What is held by scope and subject, this day. */
async function held(tenant: string): Promise<Record<string, Amounts>> {
  const balances = await readBalances(db, { tenant }, new Date());
  return Object.fromEntries(
    balances.filter(({ period }) => period === 'day').map((one) => [`${one.scope}:${one.subject}`, one.held]),
  );
}

/** What reconciling would have to correct in balances of the tenant: nothing, if all is right. */
async function wrong(tenant: string): Promise<unknown[]> {
  const client = await owner.connect();
  try {
    await client.query('BEGIN');
    return (
      await client.query<object>('SELECT * FROM imageplane.reconcile_quota(now()) WHERE tenant = $1', [
        tenant,
      ])
    ).rows;
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

describe('quotas in four units', () => {
  it('hold the worst case of a request for tenant, project and user, and what it took once that is known', async () => {
    const tenant = newTenant();
    const one = reservation(tenant, { project: 'spring', pixels: 50_000_000, steps: 40, computeMs: 130_000 });
    assert.deepEqual(await reserve(gateway, one, []), { admitted: true });
    const worst = { requests: 1, pixels: 50_000_000, steps: 40, computeMs: 130_000 };
    assert.deepEqual(await held(tenant), { 'tenant:': worst, 'project:spring': worst, 'user:ada': worst });
    await settle(gateway, [{ kind: 'charged', id: one.id }]);
    assert.deepEqual((await held(tenant))['user:ada'], worst);
    await recordUsage(owner, [event(one, 'succeeded', { pixels: 1_000_000, steps: 20, computeMs: 1_500 })]);
    const actual = { requests: 1, pixels: 1_000_000, steps: 20, computeMs: 1_500 };
    assert.deepEqual(await held(tenant), { 'tenant:': actual, 'project:spring': actual, 'user:ada': actual });
    assert.deepEqual(await wrong(tenant), []);
  });

  it('count what the gateway measured of a service that reports nothing', async () => {
    const tenant = newTenant();
    const one = reservation(tenant, { computeMs: 130_000 });
    await reserve(gateway, one, []);
    await settle(gateway, [{ kind: 'charged', id: one.id, computeMs: 700 }]);
    assert.equal((await held(tenant))['tenant:']?.computeMs, 700);
    const { rows } = await owner.query<{ compute_ms: string }>(
      'SELECT compute_ms FROM imageplane.usage_daily WHERE tenant = $1',
      [tenant],
    );
    assert.deepEqual(rows, [{ compute_ms: '700' }]);
  });

  it('refuse by whichever bound of whichever scope is spent, name it, and take nothing', async () => {
    const tenant = newTenant();
    const bounds: [Bound, string][] = [
      [{ scope: 'tenant', period: 'month', pixels: 99 }, 'tenant month pixels'],
      [{ scope: 'project', period: 'day', steps: 19 }, 'project day steps'],
      [{ scope: 'user', period: 'day', computeMs: 1 }, 'user day computeMs'],
    ];
    for (const [bound, name] of bounds) {
      const wanted = reservation(tenant, { project: 'p', pixels: 100, steps: 20, computeMs: 2 });
      const answer = await reserve(gateway, wanted, [bound]);
      assert.ok(!answer.admitted);
      assert.equal(`${answer.scope} ${answer.period} ${answer.unit}`, name);
    }
    for (const amounts of Object.values(await held(tenant))) assert.deepEqual(amounts, NOTHING);
  });

  it('are exact under 64 concurrent clients of several users, in all scopes at once', async () => {
    const tenant = newTenant();
    const bounds: Bound[] = [
      { scope: 'tenant', period: 'day', pixels: 1_000 },
      { scope: 'user', period: 'day', requests: 30 },
    ];
    const answers = await Promise.all(
      Array.from({ length: 400 }, async (_, index) => {
        const wanted = reservation(tenant, { principal: `user-${index % 4}`, pixels: 1 + (index % 19) });
        return (await reserve(gateway, wanted, bounds)).admitted ? wanted : undefined;
      }),
    );
    const admitted = answers.filter((one) => one !== undefined);
    const pixels = admitted.reduce((sum, one) => sum + one.pixels, 0);
    assert.ok(pixels <= 1_000);
    const amounts = await held(tenant);
    assert.equal(amounts['tenant:']?.pixels, pixels);
    for (let user = 0; user < 4; user++) assert.ok((amounts[`user:user-${user}`]?.requests ?? 0) <= 30);
    assert.deepEqual(await wrong(tenant), []);
  });

  it('move from a lease to the requests that were served from it, and never count both', async () => {
    const tenant = newTenant();
    const lease = reservation(tenant, { principal: '', service: '', requests: 5, pixels: 50 });
    const bounds: Bound[] = [{ scope: 'tenant', period: 'day', requests: 10 }];
    await reserve(gateway, lease, bounds);
    assert.deepEqual(await renewLeases(gateway, [lease.id, uuidv7()]), [lease.id]);
    const served = [1, 2].map(() => reservation(tenant, { pixels: 10 }));
    const charges = served.map(
      (one) => ({ kind: 'charge', at: new Date().toISOString(), lease: lease.id, ...one }) as const,
    );
    await settle(gateway, charges);
    await settle(gateway, charges);
    assert.deepEqual((await held(tenant))['tenant:'], { ...NOTHING, requests: 5, pixels: 50 });
    assert.deepEqual((await held(tenant))['user:ada'], { ...NOTHING, requests: 2, pixels: 20 });
    await settle(gateway, [{ kind: 'released', id: lease.id }]);
    assert.deepEqual((await held(tenant))['tenant:'], { ...NOTHING, requests: 2, pixels: 20 });
    assert.deepEqual(await wrong(tenant), []);
  });

  it('are given back by expiry with a lease of a gateway that died', async () => {
    const tenant = newTenant();
    await reserve(gateway, reservation(tenant, { principal: '', requests: 5 }), []);
    await owner.query(`SELECT imageplane.expire_reservations(now() + interval '21 minutes')`);
    assert.equal((await held(tenant))['tenant:']?.requests, 0);
  });

  it('can be granted and reset, with a record; what is in flight stays counted', async () => {
    const tenant = newTenant();
    const bounds: Bound[] = [{ scope: 'user', period: 'day', requests: 3 }];
    const take = async (): Promise<Reservation | undefined> => {
      const wanted = reservation(tenant);
      return (await reserve(gateway, wanted, bounds)).admitted ? wanted : undefined;
    };
    const takeAll = async (): Promise<number> => {
      let count = 0;
      while ((await take()) !== undefined) count++;
      return count;
    };
    const change = (kind: 'grant' | 'reset', amounts: Partial<Amounts> = {}): Promise<Amounts> =>
      adjust(
        db,
        {
          ...{ id: uuidv7(), at: new Date(), tenant, scope: 'user', subject: 'ada', period: 'day' },
          ...{ kind, by: 'root', reason: 'campaign' },
        },
        { ...NOTHING, ...amounts },
      );
    const first = await take();
    assert.ok(first);
    assert.equal(await takeAll(), 2);
    await change('grant', { requests: 2 });
    assert.equal(await takeAll(), 2);
    // One of the five is charged; four are in flight.
    await settle(gateway, [{ kind: 'charged', id: first.id }]);
    assert.deepEqual(await change('reset'), { ...NOTHING, requests: 1 });
    assert.equal(await takeAll(), 1);
    assert.deepEqual(await change('reset'), NOTHING);
    assert.equal(await takeAll(), 0);
    const { rows } = await owner.query<{ kind: string; requests: string; reason: string }>(
      'SELECT kind, requests, reason FROM imageplane.quota_adjustment WHERE tenant = $1 ORDER BY id',
      [tenant],
    );
    assert.deepEqual(
      rows.map(({ kind, requests, reason }) => `${kind} ${requests} ${reason}`),
      ['grant 2 campaign', 'reset 1 campaign', 'reset 0 campaign'],
    );
    await assert.rejects(owner.query('DELETE FROM imageplane.quota_adjustment'), /never changed/);
  });

  it('are corrected by reconciling when balances were damaged, and by nothing else', async () => {
    const tenant = newTenant();
    await reserve(gateway, reservation(tenant, { pixels: 7 }), []);
    const right = await held(tenant);
    assert.deepEqual(await wrong(tenant), []);
    await owner.query(
      `UPDATE imageplane.quota_balance SET requests = 9, pixels = 0 WHERE tenant = $1 AND scope = 'user'`,
      [tenant],
    );
    await owner.query(`DELETE FROM imageplane.quota_balance WHERE tenant = $1 AND scope = 'tenant'`, [
      tenant,
    ]);
    await owner.query('SELECT imageplane.reconcile_quota(now())');
    assert.deepEqual(await held(tenant), right);
  });

  it('equal the sum of what reservations hold, whatever happens in whatever order', async () => {
    const amounts = fc.record({ pixels: fc.nat(100), steps: fc.nat(100), computeMs: fc.nat(100) });
    const story = fc.record({
      user: fc.constantFrom('ada', 'bob'),
      project: fc.constantFrom('', 'p', 'q'),
      worst: amounts,
      actual: amounts,
      fate: fc.subarray(
        ['reserve', 'charged', 'released', 'charge', 'succeeded', 'failed', 'expire'] as const,
        {
          minLength: 1,
        },
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(story, { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(fc.nat()),
        async (all, order) => {
          const tenant = newTenant();
          const acts = all.flatMap(({ user, project, worst, actual, fate }) => {
            const one = reservation(tenant, { principal: user, project, ...worst });
            const does: Record<(typeof fate)[number], () => Promise<unknown>> = {
              reserve: () => reserve(gateway, one, []),
              charged: () => settle(gateway, [{ kind: 'charged', id: one.id, computeMs: actual.computeMs }]),
              released: () => settle(gateway, [{ kind: 'released', id: one.id }]),
              charge: () => settle(gateway, [{ kind: 'charge', at: new Date().toISOString(), ...one }]),
              succeeded: () => recordUsage(owner, [event(one, 'succeeded', actual)]),
              failed: () => recordUsage(owner, [event(one, 'failed', actual)]),
              expire: () => owner.query(`SELECT imageplane.expire_reservations(now() + interval '1 hour')`),
            };
            return fate.map((name) => ({ act: does[name], rank: Number(order.next().value) }));
          });
          await Promise.all(acts.sort((a, b) => a.rank - b.rank).map(({ act }) => act()));
          assert.deepEqual(await wrong(tenant), []);
          const { 'tenant:': total = NOTHING, ...parts } = await held(tenant);
          for (const unit of units) {
            const sum = (prefix: string): number =>
              Object.entries(parts).reduce(
                (all, [name, one]) => all + (name.startsWith(prefix) ? one[unit] : 0),
                0,
              );
            assert.equal(sum('user:'), total[unit]);
            assert.ok(sum('project:') <= total[unit]);
          }
        },
      ),
      { numRuns: 60, endOnFailure: true },
    );
  });
});
