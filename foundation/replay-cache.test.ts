import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createReplayCache } from './replay-cache.ts';

describe('the replay cache', () => {
  it('calls an id fresh exactly when it has not been seen within its life', () => {
    const step = fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd'), later: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let now = 0;
        const seen = new Map<string, number>();
        const cache = createReplayCache({ maxEntries: 1000, now: () => new Date(now) });
        for (const { id, later } of steps) {
          now += later;
          const live = (seen.get(id) ?? 0) > now;
          assert.equal(cache.remember(id, new Date(now + 60)), live ? 'replayed' : 'fresh');
          if (!live) seen.set(id, now + 60);
        }
      }),
    );
  });

  it('says that it is full rather than forget an id that is still live', () => {
    let now = 0;
    const cache = createReplayCache({ maxEntries: 2, now: () => new Date(now) });
    const remember = (id: string): string => cache.remember(id, new Date(now + 10));
    assert.deepEqual(
      [remember('a'), remember('b'), remember('c'), remember('a')],
      ['fresh', 'fresh', 'full', 'replayed'],
    );
    now = 10;
    assert.equal(remember('c'), 'fresh');
  });
});
