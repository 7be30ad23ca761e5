import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Bulkhead, type BulkheadOptions, createBulkhead } from './bulkhead.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface World {
  bulkhead: Bulkhead;
  /** Work that runs, by its key, in the order of its start. */
  running: { key: string; end: () => void }[];
  ask: (key: string) => Promise<string>;
  passTime: () => void;
}

function worldOf(options: Partial<BulkheadOptions>): World {
  const timers = new Set<() => void>();
  const bulkhead = createBulkhead({
    total: 3,
    perKey: 2,
    waitingPerKey: 2,
    waitMs: 1_000,
    schedule(callback) {
      timers.add(callback);
      return () => timers.delete(callback);
    },
    ...options,
  });
  const running: World['running'] = [];
  return {
    bulkhead,
    running,
    ask: (key) =>
      bulkhead.run(key, async () => {
        await new Promise<void>((resolve) => {
          const work = {
            key,
            end: () => {
              running.splice(running.indexOf(work), 1);
              resolve();
            },
          };
          running.push(work);
        });
        return 'done';
      }),
    passTime() {
      const due = [...timers];
      timers.clear();
      for (const callback of due) callback();
    },
  };
}

describe('a bulkhead', () => {
  it('never runs more than its bounds, loses nobody, and answers everybody', async () => {
    const step = fc.oneof(
      fc.record({ ask: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ end: fc.nat(5) }),
      fc.constant('time' as const),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        async (steps, total, perKey) => {
          const world = worldOf({ total, perKey });
          const answers: Promise<string>[] = [];
          for (const one of steps) {
            if (one === 'time') world.passTime();
            else if ('ask' in one) answers.push(world.ask(one.ask));
            else world.running[one.end]?.end();
            await settled();
            assert.ok(world.running.length <= total);
            for (const key of ['a', 'b', 'c'])
              assert.ok(world.running.filter((work) => work.key === key).length <= perKey);
          }
          while (world.running.length > 0) {
            world.running[0]?.end();
            await settled();
          }
          for (const answer of await Promise.all(answers)) assert.match(answer, /^(done|full)$/);
        },
      ),
    );
  });

  it('lets another key pass while one waits at its bound', async () => {
    const world = worldOf({});
    for (const key of ['a', 'a', 'a', 'b']) void world.ask(key);
    await settled();
    assert.deepEqual(
      world.running.map(({ key }) => key),
      ['a', 'a', 'b'],
    );
  });

  it('tells who waits too long, and who finds too many waiting, that it is full', async () => {
    const world = worldOf({ total: 1, perKey: 1, waitingPerKey: 1 });
    void world.ask('a');
    const second = world.ask('a');
    assert.equal(await world.ask('a'), 'full');
    world.passTime();
    assert.equal(await second, 'full');
  });

  it('gives the place back when the work fails', async () => {
    const { bulkhead } = worldOf({ total: 1, perKey: 1, waitingPerKey: 0 });
    await assert.rejects(
      bulkhead.run('a', () => Promise.reject(new Error('failed'))),
      /failed/,
    );
    assert.equal(await bulkhead.run('a', () => Promise.resolve('next')), 'next');
  });
});
