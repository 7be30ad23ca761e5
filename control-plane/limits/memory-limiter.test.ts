import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Claims, LeaseBound } from './limiter.ts';
import { createLocalCounts, createMemoryLimiter, takeLocally } from './memory-limiter.ts';

const WINDOW = 1_000;
const NONE: LeaseBound = { requests: 0, pixels: 0, steps: 0 };

const step = fc.record({
  wait: fc.nat(400),
  tenant: fc.constantFrom('a', 'b'),
  user: fc.constantFrom('u', 'v', 'w'),
  tenantLimit: fc.integer({ min: 1, max: 6 }),
  userLimit: fc.integer({ min: 1, max: 4 }),
  bound: fc.record({ requests: fc.nat(3), pixels: fc.nat(20), steps: fc.nat(20) }),
  pixels: fc.nat(25),
  steps: fc.nat(25),
  ends: fc.constantFrom('soon', 'never', 'refused-later'),
});

describe('createMemoryLimiter', () => {
  it('gives all claims or none, as a naive list of all requests does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let now = 0;
        const clock = { nowMs: () => now, wallMs: () => now };
        const limiter = createMemoryLimiter({ windowMs: WINDOW, maxKeys: 50 }, clock);
        let log: {
          at: number;
          tenant: string;
          user: string;
          pixels: number;
          steps: number;
          open: boolean;
        }[] = [];
        for (const [index, one] of steps.entries()) {
          now += one.wait;
          const { tenant, user, tenantLimit, userLimit, bound, pixels, steps: count } = one;
          const claims: Claims = {
            id: `r${index}`,
            windows: [
              { policy: 'requests', key: `t:${tenant}`, limit: tenantLimit },
              { policy: 'user', key: `u:${user}`, limit: userLimit },
            ],
            leases: [{ policy: 'user', key: `u:${user}`, bound }],
            weight: { pixels, steps: count },
          };
          const recent = log.filter(({ at }) => now - at < WINDOW);
          const open = log.filter((other) => other.open && other.user === user);
          const sum = (what: 'pixels' | 'steps'): number => open.reduce((all, other) => all + other[what], 0);
          const heavy = (what: 'pixels' | 'steps', weight: number): boolean =>
            bound[what] > 0 && weight > 0 && sum(what) + Math.min(weight, bound[what]) > bound[what];
          const admitted =
            recent.filter((other) => other.tenant === tenant).length < tenantLimit &&
            recent.filter((other) => other.user === user).length < userLimit &&
            (bound.requests === 0 || open.length < bound.requests) &&
            !heavy('pixels', pixels) &&
            !heavy('steps', count);
          const answer = await limiter.take(claims);
          assert.equal(answer.kind === 'admitted', admitted);
          if (!admitted) continue;
          const entry = { at: now, tenant, user, pixels, steps: count, open: one.ends === 'never' };
          log.push(entry);
          if (one.ends === 'soon') limiter.release(claims);
          if (one.ends !== 'refused-later') continue;
          limiter.giveBack(claims);
          log = log.filter((other) => other !== entry);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('serves a request that is heavier than the bound when it is alone, and never beside another', async () => {
    const limiter = createMemoryLimiter(
      { windowMs: WINDOW, maxKeys: 5 },
      { nowMs: () => 0, wallMs: () => 0 },
    );
    const heavy = (id: string): Claims => ({
      id,
      windows: [],
      leases: [{ policy: 'user', key: 'u', bound: { ...NONE, pixels: 10 } }],
      weight: { pixels: 50, steps: 0 },
    });
    const [first, next] = [heavy('1'), heavy('2')];
    assert.equal((await limiter.take(first)).kind, 'admitted');
    assert.equal((await limiter.take(next)).kind, 'lease');
    limiter.release(first);
    limiter.release(first);
    assert.equal((await limiter.take(next)).kind, 'admitted');
  });
});

describe('takeLocally', () => {
  it('never admits more over all gateways than the limit, with a share for each', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(30),
        fc.array(fc.nat(11), { maxLength: 200 }),
        (gateways, limit, concurrency, requests) => {
          const all = Array.from({ length: gateways }, () =>
            createLocalCounts({ windowMs: WINDOW, maxKeys: 9 }),
          );
          const admitted = requests.filter((at, index) => {
            const counts = all[at % gateways];
            const claims: Claims = {
              id: `r${index}`,
              windows: [{ policy: 'requests', key: 'k', limit }],
              leases: [{ policy: 'tenant', key: 'k', bound: { ...NONE, requests: concurrency } }],
              weight: { pixels: 0, steps: 0 },
            };
            return (
              counts !== undefined &&
              takeLocally(counts, claims, gateways, { nowMs: () => 0, wallMs: () => 0 }).kind === 'admitted'
            );
          });
          assert.ok(admitted.length <= limit);
          if (concurrency > 0) assert.ok(admitted.length <= concurrency);
        },
      ),
    );
  });
});
