import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { admit } from './admission.ts';
import { createFairQueue, type FairQueue } from './fair-queue.ts';

const LEVELS = 3;
const AGING_MS = 100;

interface Item {
  id: number;
  flow: string;
  level: number;
  at: number;
}

type Step =
  | { kind: 'push'; flow: string; level: number }
  | { kind: 'shift' }
  | { kind: 'remove'; index: number }
  | { kind: 'wait'; ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('push' as const),
      flow: fc.constantFrom('a', 'b', 'c'),
      level: fc.nat(LEVELS - 1),
    }),
  },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'shift' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), index: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(150) }) },
);

function push(queue: FairQueue<Item>, item: Item): Item {
  queue.push(item, item);
  return item;
}

describe('the fair queue', () => {
  it('gives every item that was not removed exactly once, each flow and level in order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const queue = createFairQueue<Item>(LEVELS, AGING_MS);
        const inside: Item[] = [];
        let now = 0;
        for (const [id, one] of steps.entries()) {
          if (one.kind === 'push')
            inside.push(push(queue, { id, flow: one.flow, level: one.level, at: now }));
          else if (one.kind === 'wait') now += one.ms;
          else if (one.kind === 'remove') {
            const [item] = inside.splice(one.index, 1);
            assert.equal(queue.remove(item ?? { id: -1, flow: '', level: 0, at: 0 }), item !== undefined);
          } else {
            const expected = queue.order(now)[0];
            const item = queue.shift(now);
            assert.equal(item, expected);
            assert.equal(item === undefined, inside.length === 0);
            const before = inside.findIndex(
              (other) => other.flow === item?.flow && other.level === item.level,
            );
            if (item !== undefined) assert.equal(inside.splice(before, 1)[0], item);
          }
          assert.equal(queue.size(), inside.length);
        }
        assert.deepEqual(new Set(queue.drain(now)), new Set(inside));
        assert.equal(queue.size(), 0);
      }),
    );
  });

  it('lets no flow wait for more than one turn of each other flow of its level', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 60 }), (flows) => {
        const queue = createFairQueue<Item>(LEVELS, AGING_MS);
        for (const [id, flow] of flows.entries()) push(queue, { id, flow, level: 1, at: 0 });
        const order = queue.drain(0).map(({ flow }) => flow);
        for (const flow of new Set(flows)) {
          const mine = order.flatMap((other, index) => (other === flow ? [index] : []));
          for (const [i, at] of mine.entries())
            if (i > 0) assert.ok(at - (mine[i - 1] ?? 0) <= new Set(order.slice(mine[i - 1])).size);
        }
      }),
    );
  });

  it('lets what waits long go before a more urgent level, whatever keeps arriving there', () => {
    const queue = createFairQueue<Item>(LEVELS, AGING_MS);
    const low = push(queue, { id: 0, flow: 'low', level: 2, at: 0 });
    for (let now = 0; now <= 2 * AGING_MS + 20; now += 10) {
      push(queue, { id: now + 1, flow: 'high', level: 0, at: now });
      if (queue.shift(now) === low) {
        assert.ok(now > AGING_MS);
        return;
      }
    }
    assert.fail('it starved');
  });
});

describe('admission', () => {
  it('never exceeds the depth, and takes whoever has nothing waiting while there is room', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 200 }),
        (depth, arrivals) => {
          const waiting = new Map<string, number>();
          let total = 0;
          for (const flow of arrivals) {
            const ofCaller = waiting.get(flow) ?? 0;
            const refusal = admit({ depth, waiting: total, ofCaller });
            if (total < depth && ofCaller === 0) assert.equal(refusal, undefined);
            if (total === depth) assert.equal(refusal, 'everyone');
            if (refusal !== undefined) continue;
            waiting.set(flow, ofCaller + 1);
            total++;
          }
          assert.ok(total <= depth);
          // One who came first leaves a third for others.
          if (new Set(arrivals).size === 1) assert.ok(total <= Math.ceil((2 * depth) / 3));
        },
      ),
    );
  });
});
