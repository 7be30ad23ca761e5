import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createReplayCache } from './replay-cache.ts';

describe('the replay cache', () => {
  it('takes an id once while it is valid, whatever the order and times', () => {
    const take = fc.record({ id: fc.nat(8), life: fc.integer({ min: 1, max: 50 }), wait: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(take, { maxLength: 80 }), (takes) => {
        const cache = createReplayCache(1000);
        const validUntil = new Map<number, number>();
        let now = 0;
        for (const { id, life, wait } of takes) {
          now += wait;
          const stillValid = (validUntil.get(id) ?? -1) > now;
          const answer = cache.take(String(id), now + life, now);
          if (stillValid) assert.equal(answer, 'replayed');
          if (answer === 'taken') validUntil.set(id, now + life);
        }
      }),
    );
  });

  it('refuses new ids when it is full of valid ones, and never forgets one of them', () => {
    const cache = createReplayCache(2);
    assert.equal(cache.take('a', 100, 0), 'taken');
    assert.equal(cache.take('b', 100, 0), 'taken');
    assert.equal(cache.take('c', 100, 0), 'full');
    assert.equal(cache.take('a', 100, 99), 'replayed');
    assert.equal(cache.take('c', 200, 100), 'taken');
    assert.equal(cache.size(), 1);
  });
});
