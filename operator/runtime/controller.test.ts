import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createLogger } from '../../foundation/logger.ts';
import { createManualClock, type ManualClock } from '../../test/support/manual-clock.ts';
import { type Controller, type ControllerOptions, createController } from './controller.ts';
import { ApiError, TerminalError } from './errors.ts';
import { createRuntimeMetrics } from './metrics.ts';
import { keyText } from './resources.ts';
import type { ObjectKey } from './types.ts';
import type { Watch } from './watches.ts';

interface Bench {
  clock: ManualClock;
  controller: Controller;
  /** As a watch would. */
  change: (name: string, initial?: boolean) => void;
  count: (metric: string, labels?: Record<string, string>) => Promise<number>;
}

function bench(
  options: Pick<ControllerOptions, 'reconcile'> & Partial<ControllerOptions>,
  stored: ObjectKey[] = [],
): Bench {
  const clock = createManualClock();
  const registry = new Registry();
  const enqueue: ((key: ObjectKey, initial: boolean) => void)[] = [];
  const watch: Watch = {
    onChange: (handler) => enqueue.push(handler),
    all: () => stored,
    whenSynced: () => Promise.resolve(),
  };
  const controller = createController(
    { name: 'test', watches: [watch], ...options },
    { clock, logger: createLogger('test', 'silent'), metrics: createRuntimeMetrics(registry) },
  );
  return {
    ...{ clock, controller },
    change(name, initial = false) {
      for (const handler of enqueue) handler({ name }, initial);
    },
    async count(metric, labels = {}) {
      const { values = [] } = (await registry.getSingleMetric(metric)?.get()) ?? {};
      const matching = values.filter((value) =>
        Object.entries(labels).every(([label, is]) => value.labels[label] === is),
      );
      return matching.reduce((sum, { value }) => sum + value, 0);
    },
  };
}

const TOTAL = 'controller_runtime_reconcile_total';
const ERRORS = 'controller_runtime_reconcile_errors_total';

describe('a controller', () => {
  it('works on everything that is stored once it starts, and on nothing before', async () => {
    const seen: string[] = [];
    const { controller, change, clock } = bench(
      { reconcile: (key) => Promise.resolve(void seen.push(keyText(key))) },
      [{ namespace: 'n', name: 'a' }, { name: 'b' }],
    );
    change('early');
    await clock.advance(0);
    assert.deepEqual(seen, []);
    controller.start();
    await clock.advance(0);
    assert.deepEqual(seen, ['n/a', 'b']);
  });

  it('takes what has just happened before what the start brings', async () => {
    const seen: string[] = [];
    const { controller, change, clock } = bench({
      workers: 1,
      reconcile: (key) => Promise.resolve(void seen.push(key.name)),
    });
    controller.start();
    for (const name of ['a', 'b']) change(name, true);
    change('live');
    await clock.advance(0);
    // The one worker was waiting for the first.
    assert.deepEqual(seen, ['a', 'live', 'b']);
  });

  it('works on different keys at once, up to its workers, and never on one key twice at once', async () => {
    const open = new Map<string, () => void>();
    let most = 0;
    const { controller, change, clock, count } = bench({
      workers: 3,
      async reconcile({ name }) {
        assert.ok(!open.has(name));
        await new Promise<void>((resolve) => open.set(name, resolve));
        open.delete(name);
        return undefined;
      },
    });
    controller.start();
    for (let round = 0; round < 20; round += 1) {
      for (const name of ['a', 'b', 'c', 'd', 'e']) change(name);
      await clock.advance(0);
      most = Math.max(most, open.size);
      assert.equal(await count('controller_runtime_active_workers'), open.size);
      [...open.values()][round % open.size]?.();
    }
    assert.equal(most, 3);
    assert.equal(await count('controller_runtime_max_concurrent_reconciles'), 3);
  });

  it('tries again with backoff, whatever is thrown and however, and goes on with other keys', async () => {
    const thrown: (() => unknown)[] = [
      () => new Error('a failure'),
      () => new TypeError('a fault'),
      () => 'text',
      () => undefined,
    ];
    for (const what of thrown) {
      let tries = 0;
      const seen: string[] = [];
      const { controller, change, clock, count } = bench({
        reconcile(key) {
          seen.push(key.name);
          if (key.name === 'good' || ++tries > 3) return Promise.resolve(undefined);
          throw what();
        },
      });
      controller.start();
      change('bad');
      change('good');
      await clock.advance(5 + 10 + 20);
      assert.deepEqual(seen, ['bad', 'good', 'bad', 'bad', 'bad']);
      assert.equal(await count(ERRORS), 3);
      assert.equal(await count(TOTAL, { result: 'error' }), 3);
      assert.equal(await count(TOTAL, { result: 'success' }), 2);
      assert.equal(await count('workqueue_retries_total'), 3);
      assert.equal(await count('controller_runtime_active_workers'), 0);
      const panics = await count('controller_runtime_reconcile_panics_total');
      assert.equal(panics, what() instanceof Error && !(what() instanceof TypeError) ? 0 : 3);
    }
  });

  it('does not try a terminal error again before something changes', async () => {
    let tries = 0;
    const { controller, change, clock, count } = bench({
      reconcile() {
        tries += 1;
        return Promise.reject(new TerminalError('it cannot be'));
      },
    });
    controller.start();
    change('a');
    await clock.advance(10_000_000);
    assert.equal(tries, 1);
    assert.equal(await count('controller_runtime_terminal_reconcile_errors_total'), 1);
    change('a');
    await clock.advance(0);
    assert.equal(tries, 2);
  });

  it('tries again after a conflict, which is no failure', async () => {
    let tries = 0;
    const { controller, change, clock, count } = bench({
      reconcile() {
        tries += 1;
        return tries > 1
          ? Promise.resolve(undefined)
          : Promise.reject(new ApiError(409, 'Conflict', 'changed'));
      },
    });
    controller.start();
    change('a');
    await clock.advance(5);
    assert.equal(tries, 2);
    assert.equal(await count(ERRORS), 0);
    assert.equal(await count(TOTAL, { result: 'requeue' }), 1);
  });

  it('comes back after the time that a reconcile asks for', async () => {
    const at: number[] = [];
    const { controller, change, clock, count } = bench({
      reconcile() {
        at.push(clock.now());
        return Promise.resolve({ requeueAfterMs: 1000 });
      },
    });
    controller.start();
    change('a');
    await clock.advance(2500);
    assert.deepEqual(at, [0, 1000, 2000]);
    assert.equal(await count(TOTAL, { result: 'requeue_after' }), 3);
  });

  it('ends a reconcile at its deadline by its signal', async () => {
    const { controller, change, clock, count } = bench({
      deadlineMs: 500,
      reconcile: (_key, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
    });
    controller.start();
    change('a');
    await clock.advance(499);
    assert.equal(await count(ERRORS), 0);
    await clock.advance(1);
    assert.equal(await count('controller_runtime_reconcile_timeouts_total'), 1);
  });

  it('reports a reconcile that does not heed its deadline', async () => {
    const { controller, change, clock } = bench({
      deadlineMs: 500,
      reconcile: () => new Promise(() => undefined),
    });
    controller.start();
    change('a');
    await clock.advance(60_000);
    assert.equal(controller.problem(), undefined);
    await clock.advance(1_000);
    assert.match(String(controller.problem()), /past its deadline/);
  });

  it('lets a reconcile under way end before it stops, begins no other, and ends its signal after the grace', async () => {
    for (const heeds of ['its own end', 'the signal']) {
      const ended: string[] = [];
      const finish = Promise.withResolvers<undefined>();
      const { controller, change, clock } = bench({
        workers: 1,
        async reconcile(key, { signal }) {
          const aborted = new Promise((resolve) => {
            signal.addEventListener('abort', resolve, { once: true });
          });
          await Promise.race([finish.promise, aborted]);
          ended.push(`${key.name} ${signal.aborted ? 'aborted' : 'complete'}`);
          return undefined;
        },
      });
      controller.start();
      change('a');
      change('b');
      await clock.advance(0);
      const stopped = controller.stop(100);
      if (heeds === 'the signal') await clock.advance(100);
      else finish.resolve(undefined);
      await stopped;
      assert.deepEqual(ended, [heeds === 'the signal' ? 'a aborted' : 'a complete']);
    }
  });
});
