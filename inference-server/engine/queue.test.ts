import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createQueue } from './queue.ts';

type Operation = { kind: 'push' } | { kind: 'shift' } | { kind: 'remove'; index: number } | { kind: 'drain' };

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Operation>({ kind: 'push' }) },
  { weight: 2, arbitrary: fc.constant<Operation>({ kind: 'shift' }) },
  { weight: 2, arbitrary: fc.nat(20).map((index): Operation => ({ kind: 'remove', index })) },
  { weight: 1, arbitrary: fc.constant<Operation>({ kind: 'drain' }) },
);

describe('the bounded queue', () => {
  it('behaves as a list with a bound, whatever is done to it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(operation, { maxLength: 60 }),
        (depth, operations) => {
          const queue = createQueue<{ id: number }>(depth);
          const list: { id: number }[] = [];
          for (const [id, step] of operations.entries()) {
            if (step.kind === 'push') {
              const item = { id };
              const fits = list.length < depth;
              assert.equal(queue.push(item), fits);
              if (fits) list.push(item);
            } else if (step.kind === 'shift') assert.equal(queue.shift(), list.shift());
            else if (step.kind === 'drain') assert.deepEqual(queue.drain(), list.splice(0));
            else {
              const [item] = list.splice(step.index, 1);
              assert.equal(queue.remove(item ?? { id: -1 }), item !== undefined);
            }
            assert.equal(queue.size(), list.length);
            assert.ok(queue.size() <= depth);
          }
        },
      ),
    );
  });

  it('takes again once something has left', () => {
    const queue = createQueue<string>(1);
    assert.equal(queue.push('a'), true);
    assert.equal(queue.push('b'), false);
    assert.equal(queue.shift(), 'a');
    assert.equal(queue.push('b'), true);
  });
});
