import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createManualClock, type ManualClock } from '../../test/support/manual-clock.ts';
import type { QueueMetrics } from './metrics.ts';
import { createWorkQueue, type Priority, type WorkQueue } from './work-queue.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e'];

interface Model {
  /** Added and not taken since, with the highest priority asked for. */
  wanted: Map<string, Priority>;
  /** Not before this time. */
  delayed: Map<string, { at: number; priority: Priority }>;
  processing: Set<string>;
}

interface Real {
  clock: ManualClock;
  queue: WorkQueue;
}

function higher(a: Priority | undefined, b: Priority): Priority {
  return a === 'live' ? 'live' : b;
}

function settleDelays(model: Model, now: number): void {
  for (const [key, { at, priority }] of model.delayed)
    if (at <= now) {
      model.delayed.delete(key);
      model.wanted.set(key, higher(model.wanted.get(key), priority));
    }
}

type Command = fc.AsyncCommand<Model, Real>;

function command(
  name: string,
  check: (model: Readonly<Model>) => boolean,
  run: (model: Model, real: Real) => unknown,
): Command {
  return {
    check,
    async run(model, real) {
      await run(model, real);
    },
    toString: () => name,
  };
}

const always = (): boolean => true;
const key = fc.constantFrom(...KEYS);
const priority = fc.constantFrom<Priority>('live', 'background');

function ready(model: Readonly<Model>): [string, Priority][] {
  return [...model.wanted].filter(([name]) => !model.processing.has(name));
}

async function takeOne(model: Model, real: Real): Promise<void> {
  const live = ready(model).some(([, how]) => how === 'live');
  const taken = await real.queue.take();
  assert.ok(taken !== undefined);
  assert.ok(!model.processing.has(taken), `${taken} is under work twice`);
  const how = model.wanted.get(taken);
  assert.ok(how !== undefined, `${taken} was given out and nobody asked for it`);
  assert.equal(how, live ? 'live' : 'background', 'live comes first');
  model.wanted.delete(taken);
  model.processing.add(taken);
}

const commands: fc.Arbitrary<Command>[] = [
  fc.tuple(key, priority).map(([name, how]) =>
    command(`add(${name}, ${how})`, always, (model, { queue }) => {
      queue.add(name, how);
      model.wanted.set(name, higher(model.wanted.get(name), how));
    }),
  ),
  fc.tuple(key, priority, fc.integer({ min: 1, max: 50 })).map(([name, how, ms]) =>
    command(`addAfter(${name}, ${how}, ${ms})`, always, (model, { queue, clock }) => {
      queue.addAfter(name, ms, how);
      const before = model.delayed.get(name);
      const at = Math.min(before?.at ?? Infinity, clock.now() + ms);
      model.delayed.set(name, { at, priority: higher(before?.priority, how) });
    }),
  ),
  fc.integer({ min: 1, max: 40 }).map((ms) =>
    command(`advance(${ms})`, always, (model, { clock }) => {
      clock.advanceSync(ms);
      settleDelays(model, clock.now());
    }),
  ),
  fc.constant(command('take()', (model) => ready(model).length > 0, takeOne)),
  fc.nat().map((pick) =>
    command(
      `done(${pick})`,
      (model) => model.processing.size > 0,
      (model, { queue }) => {
        const name = [...model.processing][pick % model.processing.size] ?? '';
        queue.done(name);
        model.processing.delete(name);
      },
    ),
  ),
  fc.constant(
    command('length', always, (model, { queue }) => {
      assert.equal(queue.length, ready(model).length);
      assert.equal(queue.running().length, model.processing.size);
    }),
  ),
];

describe('a work queue', () => {
  it('works on a key by one worker at a time, loses nothing and gives out live keys first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 80 }), async (run) => {
        const clock = createManualClock();
        const queue = createWorkQueue({ clock });
        const model: Model = { wanted: new Map(), delayed: new Map(), processing: new Set() };
        const real: Real = { clock, queue };
        await fc.asyncModelRun(() => ({ model, real }), run);
        // Whatever is still asked for comes out once its time has come.
        clock.advanceSync(1000);
        settleDelays(model, clock.now());
        for (const name of model.processing) queue.done(name);
        model.processing.clear();
        while (queue.length > 0) {
          const taken = await queue.take();
          assert.ok(taken !== undefined && model.wanted.delete(taken), String(taken));
          queue.done(taken);
        }
        assert.deepEqual([...model.wanted], []);
        assert.equal(clock.pending, 0, 'no timer is left');
      }),
      { numRuns: 300 },
    );
  });

  it('gives out keys of one priority in the order in which they came', async () => {
    const queue = createWorkQueue({ clock: createManualClock() });
    for (const name of ['b1', 'b2']) queue.add(name, 'background');
    for (const name of ['l1', 'l2', 'b2']) queue.add(name);
    const order: (string | undefined)[] = [];
    while (queue.length > 0) order.push(await queue.take());
    assert.deepEqual(order, ['l1', 'l2', 'b2', 'b1']);
  });

  it('hands a key to a worker that waits', async () => {
    const queue = createWorkQueue({ clock: createManualClock() });
    const [first, second] = [queue.take(), queue.take()];
    queue.add('a');
    queue.add('a');
    queue.add('b');
    assert.deepEqual(await Promise.all([first, second]), ['a', 'b']);
  });

  it('doubles the wait of a key that fails, from 5 ms to 1000 s, and forget begins anew', () => {
    const queue = createWorkQueue({ clock: createManualClock(), limits: { burst: 1000 } });
    const waits = Array.from({ length: 22 }, () => queue.addLimited('a'));
    assert.deepEqual(waits.slice(0, 4), [5, 10, 20, 40]);
    assert.deepEqual(waits.slice(-3), [1_000_000, 1_000_000, 1_000_000]);
    assert.equal(queue.failures('a'), 22);
    queue.forget('a');
    assert.equal(queue.failures('a'), 0);
    assert.equal(queue.addLimited('a'), 5);
  });

  it('lets 100 retries through at once, and then 10 a second, of all keys together', () => {
    const clock = createManualClock();
    const queue = createWorkQueue({ clock });
    const waits = Array.from({ length: 120 }, (_, index) => queue.addLimited(`key-${index}`));
    assert.ok(waits.slice(0, 100).every((wait) => wait === 5));
    assert.deepEqual(
      waits.slice(100, 104).map((wait) => Math.round(wait)),
      [100, 200, 300, 400],
    );
    assert.equal(Math.round(waits.at(-1) ?? 0), 2000);
    clock.advanceSync(60_000);
    assert.equal(queue.addLimited('later'), 5);
  });

  it('adds live keys at once, however many retries wait', async () => {
    const queue = createWorkQueue({ clock: createManualClock() });
    for (let index = 0; index < 500; index += 1) queue.addLimited(`key-${index}`);
    queue.add('fresh');
    assert.equal(await queue.take(), 'fresh');
  });

  it('when shut down gives out nothing more, and ends when the work under way is done', async () => {
    const queue = createWorkQueue({ clock: createManualClock() });
    for (const name of ['a', 'b']) queue.add(name);
    queue.addAfter('c', 10);
    assert.equal(await queue.take(), 'a');
    let ended = false;
    const end = queue.shutDown().then(() => (ended = true));
    assert.equal(await queue.take(), undefined);
    queue.add('d');
    assert.equal(queue.length, 0);
    assert.equal(ended, false);
    queue.add('a');
    queue.done('a');
    await end;
    assert.equal(await queue.take(), undefined);
  });

  it('lets a waiting worker go when it is shut down', async () => {
    const queue = createWorkQueue({ clock: createManualClock() });
    const waiting = queue.take();
    await queue.shutDown();
    assert.equal(await waiting, undefined);
  });

  it('holds no more than the keys that there are, however often they fail', () => {
    const clock = createManualClock();
    const queue = createWorkQueue({ clock });
    for (let round = 0; round < 2000; round += 1) {
      queue.addAfter('a', 500_000 - round);
      queue.addLimited('b');
    }
    assert.equal(queue.length, 0);
    assert.equal(clock.pending, 1);
    clock.advanceSync(2_000_000);
    assert.equal(queue.length, 2);
  });

  it('measures wait, work, depth, adds and retries', async () => {
    const clock = createManualClock();
    const seen: string[] = [];
    const metrics: QueueMetrics = {
      depth: (name, length) => seen.push(`depth ${name} ${length}`),
      added: () => seen.push('added'),
      retried: () => seen.push('retried'),
      taken: (seconds) => seen.push(`taken ${seconds}`),
      worked: (seconds) => seen.push(`worked ${seconds}`),
    };
    const queue = createWorkQueue({ clock, metrics });
    queue.add('a', 'background');
    clock.advanceSync(1000);
    queue.add('a');
    clock.advanceSync(1000);
    await queue.take();
    clock.advanceSync(500);
    assert.deepEqual(queue.running(), [0.5]);
    queue.addLimited('a');
    queue.done('a');
    assert.deepEqual(
      seen.filter((line) => !line.startsWith('depth')),
      ['added', 'added', 'taken 2', 'retried', 'worked 0.5'],
    );
    assert.deepEqual(seen.filter((line) => line.startsWith('depth')).slice(0, 4), [
      'depth live 0',
      'depth background 1',
      'depth live 1',
      'depth background 0',
    ]);
  });
});
