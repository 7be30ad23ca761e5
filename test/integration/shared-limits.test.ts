import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import type { Claims, LimitAnswer, Limiter } from '../../control-plane/limits/limiter.ts';
import { createMemoryLimiter } from '../../control-plane/limits/memory-limiter.ts';
import { createSharedLimiter } from '../../control-plane/limits/shared-limiter.ts';
import { openSharedStore, type SharedStore } from '../../control-plane/limits/store.ts';
import { createLogger } from '../../foundation/logger.ts';
import { until } from '../support/program.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { mostInAnyWindow } from '../support/windows.ts';

const WINDOW_MS = 1_500;
const ALONE_MS = 20_000;
const clock = {
  nowMs: () => performance.now(),
  wallMs: () => performance.timeOrigin + performance.now(),
};

let redis: TestRedis;
let stores: SharedStore[] = [];
let limiters: Limiter[] = [];

before(async () => {
  redis = await startRedis();
});
after(async () => {
  await redis.stop();
});

async function startGateways(count: number, gateways = count): Promise<Limiter[]> {
  await closeGateways();
  await redis.kill('SIGKILL');
  await redis.restart();
  stores = Array.from({ length: count }, () => openSharedStore({ url: redis.url, timeoutMs: 50 }));
  limiters = stores.map((store, index) =>
    createSharedLimiter({
      store,
      name: `gateway-${index}`,
      gateways,
      windowMs: WINDOW_MS,
      maxKeys: 1_000,
      beatMs: 100,
      staleMs: 500,
      aloneMs: ALONE_MS,
      leaseMs: 2_000,
      clock,
      logger: createLogger('test', 'fatal'),
    }),
  );
  await until('all have joined', () => limiters.every((limiter) => !limiter.away()));
  return limiters;
}

async function closeGateways(): Promise<void> {
  await Promise.all(limiters.map((limiter) => limiter.close()));
  limiters = [];
}

let ids = 0;
const claims = (limit: number, key = 'k', more: Partial<Claims> = {}): Claims => ({
  id: `request-${ids++}`,
  windows: [{ policy: 'requests', key, limit }],
  leases: [],
  weight: { pixels: 0, steps: 0 },
  ...more,
});

/** Asks all gateways, several at once, until told to stop; the times of what was admitted, and how. */
function flood(limit: number): {
  times: number[];
  seen: Set<LimitAnswer['kind']>;
  stop: () => Promise<void>;
} {
  let over = false;
  const times: number[] = [];
  const seen = new Set<LimitAnswer['kind']>();
  const workers = limiters.flatMap((limiter) =>
    Array.from({ length: 4 }, async () => {
      while (!over) {
        const answer = await limiter.take(claims(limit, 'flood'));
        seen.add(answer.kind);
        if (answer.kind === 'admitted') times.push(answer.at);
        else await delay(3);
      }
    }),
  );
  return {
    times,
    seen,
    async stop() {
      over = true;
      await Promise.all(workers);
    },
  };
}

describe('limits shared by gateways', { concurrency: false }, () => {
  after(closeGateways);

  it('answer like those of a single gateway, whatever is claimed', async () => {
    const [shared] = await startGateways(1);
    assert.ok(shared);
    const claim = fc.record({
      window: fc.constantFrom('a', 'b'),
      limit: fc.integer({ min: 1, max: 4 }),
      lease: fc.constantFrom('x', 'y'),
      bound: fc.record({
        requests: fc.integer({ min: 0, max: 3 }),
        pixels: fc.integer({ min: 0, max: 20 }),
        steps: fc.integer({ min: 0, max: 20 }),
      }),
      weight: fc.record({ pixels: fc.integer({ min: 0, max: 12 }), steps: fc.integer({ min: 0, max: 12 }) }),
      then: fc.constantFrom('hold', 'release', 'give-back'),
    });
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(claim, { minLength: 1, maxLength: 25 }), async (all) => {
        const suffix = round++;
        const memory = createMemoryLimiter({ windowMs: 60_000, maxKeys: 100 }, clock);
        const began = clock.nowMs();
        const differences: unknown[] = [];
        for (const { window, limit, lease, bound, weight, then } of all) {
          const one = claims(limit, `${window}${suffix}`, {
            leases: [{ policy: 'user', key: `${lease}${suffix}`, bound }],
            weight,
          });
          const answers: unknown[] = [await shared.take(one), await memory.take(one)].map((answer) =>
            'windows' in answer
              ? {
                  ...answer,
                  at: 0,
                  windows: answer.windows.map(({ admitted, remaining }) => [admitted, remaining]),
                }
              : answer,
          );
          try {
            assert.deepEqual(answers[0], answers[1]);
          } catch (error) {
            differences.push(error);
          }
          if (then === 'hold') continue;
          for (const limiter of [shared, memory])
            if (then === 'release') limiter.release(one);
            else limiter.giveBack(one);
        }
        // Longer than a window, what was admitted first has left it.
        fc.pre(clock.nowMs() - began < WINDOW_MS);
        assert.deepEqual(differences, []);
      }),
      { numRuns: 100 },
    );
  });

  it('are exact over gateways, and a refused request counts nowhere', async () => {
    const [one, two] = await startGateways(2);
    assert.ok(one && two);
    const both = (limit: number): Claims =>
      claims(limit, 'both', {
        windows: [
          { policy: 'requests', key: 'both', limit },
          { policy: 'user', key: 'both-user', limit: 5 },
        ],
      });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? one : two).take(both(100))),
    );
    assert.equal(answers.filter(({ kind }) => kind === 'admitted').length, 5);
    const last = await one.take(claims(6, 'both'));
    assert.equal(last.kind, 'admitted');
    assert.equal((await two.take(claims(6, 'both'))).kind, 'window');
  });

  it('never admit more than the limit, with the store killed and started empty, in any sliding window', async (t) => {
    await startGateways(2);
    const limit = 20;
    const { times, seen, stop } = flood(limit);
    await delay(2 * WINDOW_MS);
    const shared = times.length;
    await redis.kill('SIGKILL');
    await until('both go on alone', () => times.filter((at) => at > clock.wallMs() - 500).length >= 4);
    await delay(2 * WINDOW_MS);
    const alone = times.length - shared;
    await redis.restart();
    await until('both are back', () => limiters.every((limiter) => !limiter.away()));
    const back = clock.wallMs();
    await delay(2 * WINDOW_MS);
    await stop();
    t.diagnostic(`${shared} admitted by the store, ${alone} alone, ${times.length - shared - alone} after`);
    assert.ok(seen.has('unavailable'));
    assert.equal(mostInAnyWindow(times, WINDOW_MS), limit);
    assert.equal(
      mostInAnyWindow(
        times.filter((at) => at > back + WINDOW_MS / 2),
        WINDOW_MS,
      ),
      limit,
    );
    await closeGateways();
  });

  it('nor with the store frozen again and again, for a moment or for long', async () => {
    await startGateways(2);
    const limit = 20;
    const { times, stop } = flood(limit);
    for (const [frozen, thawed] of [
      [100, 700],
      [1_200, 300],
      [4_500, 2_000],
      [300, 1_000],
    ] as const) {
      await redis.kill('SIGSTOP');
      await delay(frozen);
      await redis.kill('SIGCONT');
      await delay(thawed);
    }
    await stop();
    assert.equal(mostInAnyWindow(times, WINDOW_MS), limit);
    await closeGateways();
  });

  it('keep the share of a gateway that has fallen silent for it, and it never uses more', async () => {
    const [one, two] = await startGateways(2);
    assert.ok(one && two);
    // It has not said goodbye: it may be going on alone.
    stores[1]?.close();
    await delay(1_000 + WINDOW_MS);
    const answers = await Promise.all(Array.from({ length: 30 }, () => one.take(claims(20, 'silent'))));
    assert.equal(answers.filter(({ kind }) => kind === 'admitted').length, 10);
  });

  it('admit nobody by a store that has just been started until all gateways have said what they admitted', async (t) => {
    const [one] = await startGateways(1, 1);
    assert.ok(one);
    await closeGateways();
    // Nothing is slow here: on a busy machine, too, the store is what answers.
    const store = openSharedStore({ url: redis.url, timeoutMs: 1_000 });
    await redis.kill('SIGKILL');
    await redis.restart();
    const lonely = createSharedLimiter({
      store,
      name: 'gateway-0',
      gateways: 2,
      windowMs: WINDOW_MS,
      maxKeys: 10,
      beatMs: 100,
      staleMs: 500,
      aloneMs: ALONE_MS,
      leaseMs: 2_000,
      clock,
      logger: createLogger('test', 'fatal'),
    });
    t.after(() => lonely.close());
    await until('it has joined', () => !lonely.away());
    assert.equal((await lonely.take(claims(20, 'new'))).kind, 'unavailable');
    await until(
      'a window has passed',
      async () => (await lonely.take(claims(20, 'new'))).kind === 'admitted',
    );
    const answers = await Promise.all(Array.from({ length: 30 }, () => lonely.take(claims(20, 'new'))));
    assert.equal(answers.filter(({ kind }) => kind === 'admitted').length, 9);
  });

  it('give back by themselves what a gateway that crashed had in flight', async () => {
    const [one, two] = await startGateways(2);
    assert.ok(one && two);
    const held = (): Claims =>
      claims(1_000, 'crash', {
        leases: [{ policy: 'tenant', key: 'crash', bound: { requests: 1, pixels: 0, steps: 0 } }],
      });
    assert.equal((await one.take(held())).kind, 'admitted');
    assert.equal((await two.take(held())).kind, 'lease');
    // Longer than a lease lasts, since it is renewed.
    await delay(3_000);
    assert.equal((await two.take(held())).kind, 'lease');
    stores[0]?.close();
    // Two gateways with a bound of 1: no share of it, so nothing is kept for the one that is gone.
    await until('the lease has expired', async () => (await two.take(held())).kind === 'admitted', 10_000);
  });
});
