import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createPacer } from './pacer.ts';

describe('A pacer', () => {
  it('gives each object one turn in an interval, and says when the next is', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 1500 }), fc.constantFrom('a', 'b')));
    fc.assert(
      fc.property(steps, (walk) => {
        let time = 0;
        const pacer = createPacer(1000, () => new Date(time));
        const last = new Map<string, number>();
        for (const [ms, uid] of walk) {
          time += ms;
          const wait = pacer.turn(uid);
          const before = last.get(uid);
          if (before !== undefined && time - before < 1000) assert.equal(wait, before + 1000 - time);
          else {
            assert.equal(wait, 0);
            last.set(uid, time);
          }
        }
      }),
    );
  });

  it('gives a turn when the clock was set back', () => {
    let time = 10_000;
    const pacer = createPacer(1000, () => new Date(time));
    assert.equal(pacer.turn('a'), 0);
    time = 0;
    assert.equal(pacer.turn('a'), 0);
  });
});
