import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { rateLimitHeaders } from './headers.ts';
import { createSlidingWindow, type WindowAnswer } from './sliding-window.ts';

const WINDOW = 1_000;

describe('createSlidingWindow', () => {
  it('admits exactly what a naive log of admitted requests would, whatever the limit becomes', () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: 400 }),
      key: fc.constantFrom('a', 'b', 'c'),
      limit: fc.integer({ min: 1, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const window = createSlidingWindow({ windowMs: WINDOW, maxKeys: 100 });
        const logs: Record<string, number[]> = { a: [], b: [], c: [] };
        let now = 0;
        for (const { wait, key, limit } of steps) {
          now += wait;
          const log = (logs[key] ?? []).filter((time) => now - time < WINDOW);
          const admitted = log.length < limit;
          if (admitted) log.push(now);
          logs[key] = log;
          const answer = window.take(key, limit, now);
          assert.equal(answer.admitted, admitted);
          assert.equal(answer.remaining, Math.max(0, limit - log.length));
          if (admitted) assert.equal(answer.retryAfterMs, 0);
        }
      }),
    );
  });

  it('admits a refused client that waits exactly as told, and not a moment before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 5, maxLength: 50 }),
        fc.integer({ min: 1, max: 5 }),
        (waits, limit) => {
          let now = 0;
          const times = waits.map((wait) => (now += wait));
          const replay = (): ReturnType<typeof createSlidingWindow> => {
            const window = createSlidingWindow({ windowMs: WINDOW, maxKeys: 1 });
            for (const time of times) window.take('k', limit, time);
            return window;
          };
          const { admitted, retryAfterMs } = replay().take('k', limit, now);
          fc.pre(!admitted);
          assert.ok(retryAfterMs > 0);
          assert.equal(replay().take('k', limit, now + retryAfterMs - 1).admitted, false);
          assert.equal(replay().take('k', limit, now + retryAfterMs).admitted, true);
        },
      ),
    );
  });

  it('does not count what it refuses: who keeps trying is served as soon as there is room', () => {
    const window = createSlidingWindow({ windowMs: WINDOW, maxKeys: 10 });
    window.take('k', 1, 0);
    for (let now = 1; now < WINDOW; now++) assert.equal(window.take('k', 1, now).admitted, false);
    assert.equal(window.take('k', 1, WINDOW).admitted, true);
  });

  it('never keeps more keys than its bound, and forgets idle ones by itself', () => {
    const window = createSlidingWindow({ windowMs: WINDOW, maxKeys: 50 });
    for (let index = 0; index < 1_000; index++) {
      window.take(`flood-${index}`, 5, 0);
      assert.ok(window.size() <= 50);
    }
    for (let index = 0; index < 60; index++) window.take(`later-${index % 2}`, 5, 5_000 + index);
    for (let index = 0; index < 60; index++) window.take(`new-${index}`, 5, 9_000 + index * 2_000);
    assert.ok(window.size() <= 3);
  });

  it('keeps the key in use through a flood of others', () => {
    const window = createSlidingWindow({ windowMs: WINDOW, maxKeys: 10 });
    window.take('busy', 1, 0);
    for (let index = 0; index < 100; index++) {
      window.take(`flood-${index}`, 1, 1);
      assert.equal(window.take('busy', 1, 1).admitted, false);
    }
  });
});

describe('rateLimitHeaders', () => {
  it('says what is left, of what, and when more comes, in whole seconds rounded up', () => {
    const window = createSlidingWindow({ windowMs: 60_000, maxKeys: 1 });
    const headers = (answer: WindowAnswer): Record<string, string> =>
      rateLimitHeaders('requests', 60_000, answer);
    assert.deepEqual(headers(window.take('k', 1, 0)), {
      ratelimit: '"requests";r=0;t=60',
      'ratelimit-policy': '"requests";q=1;w=60',
    });
    assert.deepEqual(headers(window.take('k', 1, 59_500)), {
      ratelimit: '"requests";r=0;t=1',
      'ratelimit-policy': '"requests";q=1;w=60',
      'retry-after': '1',
    });
  });
});
