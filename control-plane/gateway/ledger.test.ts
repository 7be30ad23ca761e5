import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createLedger, type Ledger } from './ledger.ts';

const reservation = { id: 'id', tenant: 'acme', service: 's', principal: 'p', requests: 1 };
const limits = { day: 0, month: 0 };

function ledgerOn(world: { up: boolean; now: number; asked: number }, requestsPerTenant = 2): Ledger {
  return createLedger({
    reserve: () => {
      world.asked++;
      return world.up ? Promise.resolve({ admitted: true }) : Promise.reject(new Error('away'));
    },
    requestsPerTenant,
    pauseMs: 1_000,
    nowMs: () => world.now,
    onFailure: () => undefined,
  });
}

describe('createLedger', () => {
  it('asks a database that is away once in a pause, however many requests come', async () => {
    const world = { up: false, now: 0, asked: 0 };
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
    const world = { up: false, now: 0, asked: 0 };
    const ledger = ledgerOn(world);
    await ledger.reserve(reservation, limits);
    assert.deepEqual(
      [1, 2, 3].map(() => ledger.takeAllowance('acme')),
      [true, true, false],
    );
    Object.assign(world, { up: true, now: 1_000 });
    assert.deepEqual(await ledger.reserve(reservation, limits), { admitted: true });
    assert.deepEqual([ledger.away(), ledger.takeAllowance('acme')], [false, true]);
  });

  it('never grants a tenant more than its allowance within one outage', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 800 }))),
        fc.integer({ min: 0, max: 5 }),
        async (steps, allowance) => {
          const world = { up: false, now: 0, asked: 0 };
          const ledger = ledgerOn(world, allowance);
          const granted: Record<string, number> = { a: 0, b: 0 };
          for (const [tenant, wait] of steps) {
            world.now += wait;
            await ledger.reserve({ ...reservation, tenant }, limits);
            if (ledger.takeAllowance(tenant)) granted[tenant] = (granted[tenant] ?? 0) + 1;
          }
          for (const count of Object.values(granted)) assert.ok(count <= allowance);
        },
      ),
    );
  });
});
