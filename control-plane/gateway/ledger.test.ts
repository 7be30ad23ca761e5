import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Reservation, ReserveResult } from '../quota/ledger.ts';
import { type Bound, NOTHING } from '../quota/units.ts';
import { createBulkhead } from './bulkhead.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createQuotaLeases, type QuotaLeases } from './quota-leases.ts';
import { createSpent } from './spent.ts';

const reservation: Reservation = {
  ...NOTHING,
  id: 'id',
  tenant: 'acme',
  project: '',
  service: 's',
  principal: 'p',
  requests: 1,
};
const limits: Bound[] = [];
const bounded = (requests: number): Bound[] => [{ scope: 'tenant', period: 'day', requests }];

interface World {
  up: boolean;
  now: number;
  asked: number;
  /** What the database holds, leases included, and those by their ids. */
  held: number;
  leases: Map<string, number>;
  quota: number;
}

const newWorld = (changes: Partial<World> = {}): World => ({
  up: true,
  now: 0,
  asked: 0,
  held: 0,
  leases: new Map(),
  quota: Infinity,
  ...changes,
});

function databaseOf(world: World): (wanted: Reservation) => Promise<ReserveResult> {
  return ({ id, principal, requests }) => {
    world.asked++;
    if (!world.up) return Promise.reject(new Error('away'));
    if (world.held + requests > world.quota)
      return Promise.resolve({
        ...{ admitted: false, scope: 'tenant', period: 'day', unit: 'requests' },
        ...{ limit: world.quota, used: world.held, resetsAt: new Date(0) },
      });
    world.held += requests;
    if (principal === '') world.leases.set(id, requests);
    return Promise.resolve({ admitted: true });
  };
}

function leasesOn(world: World, requests: number): QuotaLeases {
  let ids = 0;
  const release = (id: string): Promise<void> => {
    world.held -= world.leases.get(id) ?? 0;
    world.leases.delete(id);
    return Promise.resolve();
  };
  return createQuotaLeases({
    reserve: databaseOf(world),
    renew: (of) => Promise.resolve(of.filter((id) => world.leases.has(id))),
    release,
    releaseLater: release,
    requests,
    nowMs: () => world.now,
    now: () => new Date(world.now),
    newId: () => `lease-${ids++}`,
    onFailure: () => undefined,
  });
}

function ledgerOn(
  world: World,
  requestsPerTenant = 2,
  leases = leasesOn(world, requestsPerTenant),
  reserve = databaseOf(world),
): Ledger {
  return createLedger({
    reserve,
    leases,
    bulkhead: createBulkhead({
      ...{ total: 8, perKey: 3, waitingPerKey: 50, waitMs: 1_000 },
      schedule: () => () => undefined,
    }),
    spent: createSpent({ forMs: 1_000, maxEntries: 10, nowMs: () => world.now }),
    requestsPerTenant,
    outageMs: 900_000,
    pauseMs: 1_000,
    nowMs: () => world.now,
    onFailure: () => undefined,
  });
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('createLedger', () => {
  it('asks a database that is away once in a pause, however many requests come', async () => {
    const world = newWorld({ up: false });
    const ledger = ledgerOn(world);
    assert.equal(await ledger.reserve(reservation, limits), 'lost');
    for (let index = 0; index < 50; index++) assert.equal(await ledger.reserve(reservation, limits), 'away');
    assert.equal(world.asked, 1);
    world.now = 1_000;
    const answers = await Promise.all([1, 2, 3].map(() => ledger.reserve(reservation, limits)));
    assert.deepEqual(answers, ['lost', 'away', 'away']);
    assert.equal(ledger.retryAfterSeconds() >= 1, true);
  });

  it('gives the allowance back once the database has answered', async () => {
    const world = newWorld({ up: false });
    const ledger = ledgerOn(world);
    await ledger.reserve(reservation, limits);
    const take = (): boolean => ledger.takeAllowance(reservation, limits) !== undefined;
    assert.deepEqual([take(), take(), take()], [true, true, false]);
    Object.assign(world, { up: true, now: 1_000 });
    assert.deepEqual(await ledger.reserve(reservation, limits), { admitted: true });
    assert.equal(ledger.away(), false);
    Object.assign(world, { up: false });
    await ledger.reserve(reservation, limits);
    assert.equal(take(), true);
  });

  it('never grants a tenant more than its allowance within one outage, and nothing after 15 minutes of it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 800 }))),
        fc.integer({ min: 0, max: 5 }),
        async (steps, allowance) => {
          const world = newWorld({ up: false });
          const ledger = ledgerOn(world, allowance);
          const granted: Record<string, number> = { a: 0, b: 0 };
          for (const [tenant, wait] of steps) {
            world.now += wait;
            await ledger.reserve({ ...reservation, tenant }, limits);
            if (ledger.takeAllowance({ ...reservation, tenant }, limits) !== undefined)
              granted[tenant] = (granted[tenant] ?? 0) + 1;
          }
          for (const count of Object.values(granted)) assert.ok(count <= allowance);
          world.now += 900_001;
          assert.equal(ledger.takeAllowance({ ...reservation, tenant: 'c' }, limits), undefined);
        },
      ),
    );
  });

  it('lets nobody with bounds of their own spend while nobody can count it', async () => {
    const world = newWorld({ up: false });
    const ledger = ledgerOn(world);
    await ledger.reserve(reservation, limits);
    const bounds: Bound[] = [{ scope: 'user', period: 'day', requests: 100 }];
    assert.equal(ledger.takeAllowance(reservation, bounds), undefined);
    assert.deepEqual(ledger.takeAllowance(reservation, limits), {});
  });

  it('takes a burst for a burst: no outage, whoever has no turn is told so, and other tenants have theirs', async () => {
    const world = newWorld();
    const pending: (() => void)[] = [];
    const ledger = ledgerOn(world, 2, undefined, async (wanted) => {
      await new Promise<void>((resolve) => pending.push(resolve));
      return databaseOf(world)(wanted);
    });
    const burst = Array.from({ length: 60 }, () => ledger.reserve(reservation, limits));
    const other = ledger.reserve({ ...reservation, tenant: 'b' }, limits);
    await settled();
    const inTurn = [pending.length];
    for (let waiting = pending.splice(0); waiting.length > 0; waiting = pending.splice(0)) {
      for (const answer of waiting) answer();
      await settled();
    }
    assert.deepEqual(inTurn, [4]);
    assert.deepEqual(await other, { admitted: true });
    const answers = await Promise.all(burst);
    assert.equal(answers.filter((answer) => answer === 'busy').length, 7);
    assert.equal(answers.filter((answer) => typeof answer === 'object').length, 53);
    assert.equal(ledger.away(), false);
  });

  it('asks about a spent quota once a second, and at once when the bound is another or the request smaller', async () => {
    const world = newWorld({ quota: 1 });
    const ledger = ledgerOn(world, 2);
    const spend = async (bounds: Bound[], requests = 1): Promise<boolean> => {
      const answer = await ledger.reserve({ ...reservation, requests }, bounds);
      return typeof answer === 'object' && answer.admitted;
    };
    assert.equal(await spend(bounded(1)), true);
    const before = world.asked;
    for (let index = 0; index < 50; index++) assert.equal(await spend(bounded(1)), false);
    assert.equal(world.asked, before + 1);
    world.quota = 2;
    assert.equal(await spend(bounded(2)), true);
    world.quota = 3;
    assert.equal(await spend(bounded(1)), false);
    world.now = 1_000;
    assert.equal(await spend(bounded(1)), true);
    assert.equal(await spend(bounded(1), 2), false);
    assert.equal(await spend(bounded(1), 2), false);
    world.quota = 4;
    assert.equal(await spend(bounded(1)), true);
  });
});

describe('createQuotaLeases', () => {
  it('holds a part of the quota while the database is there, and spends no more than that while it is not', async () => {
    const world = newWorld({ quota: 100 });
    const ledger = ledgerOn(world, 20);
    await ledger.reserve(reservation, bounded(100));
    await settled();
    assert.deepEqual([world.held, [...world.leases.values()]], [6, [5]]);
    world.up = false;
    await ledger.reserve(reservation, bounded(100));
    const taken = Array.from({ length: 8 }, () => ledger.takeAllowance(reservation, bounded(100)));
    assert.deepEqual(
      taken.map((one) => one?.lease),
      [...Array<string>(5).fill('lease-0'), undefined, undefined, undefined],
    );
  });

  it('spends the quota of no other day', async () => {
    const world = newWorld({ quota: 100 });
    const ledger = ledgerOn(world, 20);
    await ledger.reserve(reservation, bounded(100));
    await settled();
    Object.assign(world, { up: false, now: 86_400_000 });
    await ledger.reserve(reservation, bounded(100));
    assert.equal(ledger.takeAllowance(reservation, bounded(100)), undefined);
  });

  it('keeps nothing from a tenant that wants the last of its quota', async () => {
    const world = newWorld({ quota: 40 });
    const ledger = ledgerOn(world, 20);
    let admitted = 0;
    for (let index = 0; index < 60; index++) {
      const answer = await ledger.reserve(reservation, bounded(40));
      if (typeof answer === 'object' && answer.admitted) admitted++;
      await settled();
    }
    assert.equal(admitted, 40);
  });

  it('never lets reservations and what is spent of leases exceed the quota, whatever goes away and comes back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ up: fc.boolean(), requests: fc.nat(30), wait: fc.nat(100_000) }), {
          maxLength: 20,
        }),
        async (phases) => {
          const world = newWorld({ quota: 200 });
          const ledger = ledgerOn(world, 20);
          let served = 0;
          const serveOne = async (): Promise<void> => {
            const answer = await ledger.reserve(reservation, bounded(200));
            await settled();
            if (typeof answer === 'object') {
              served += Number(answer.admitted);
              return;
            }
            const lease = ledger.takeAllowance(reservation, bounded(200))?.lease;
            if (lease === undefined) return;
            served++;
            // As the ledger does when it hears of the charge.
            world.leases.set(lease, (world.leases.get(lease) ?? 0) - 1);
          };
          for (const { up, requests, wait } of phases) {
            Object.assign(world, { up, now: world.now + wait });
            for (let index = 0; index < requests; index++) await serveOne();
            assert.ok(served <= 200, `${served} served`);
            assert.ok(world.held <= 200);
          }
        },
      ),
    );
  });

  it('gives back all that it holds at the end, and those that nobody wants any more', async () => {
    const world = newWorld({ quota: 100 });
    const leases = leasesOn(world, 20);
    leases.want(reservation, bounded(100));
    await settled();
    world.now = 599_000;
    await leases.renew();
    assert.equal(world.held, 5);
    world.now = 601_000;
    await leases.renew();
    assert.equal(world.held, 0);
    leases.want(reservation, bounded(100));
    await settled();
    assert.equal(world.held, 5);
    await leases.close();
    assert.equal(world.held, 0);
  });
});
