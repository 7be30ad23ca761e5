import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { v7 as newUuid } from 'uuid';
import type { ModelConfig } from '../../inference-server/config.ts';
import type { Job } from '../../inference-server/engine/engine.ts';
import { type EngineWorld, modelFile, startEngine, untilState } from '../support/engine.ts';
import { tinyGraph } from '../support/onnx.ts';
import { until } from '../support/program.ts';

const ROUNDS = 6;
const ALLOWANCE_MS = 250;
/** Quickly loaded, and seconds of work: no run of it ends by itself while this test looks. */
const HEAVY = { width: 256, height: 256, work: 120, anySize: true };

const side = 256;
const job = (change: Partial<Job> = {}): Job => ({
  id: newUuid(),
  model: 'heavy',
  principal: 'ada',
  route: '/v2',
  work: {
    kind: 'tensors',
    inputs: [
      {
        name: 'input',
        datatype: 'FP32',
        shape: [1, 3, side, side],
        data: new Uint8Array(3 * side * side * 4),
      },
    ],
  },
  ...change,
});

/** Between two values, their mean. */
function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

/** From the start of its process to the model being ready, as the engine sees it; of the last process. */
function loadTime({ processes }: EngineWorld): number {
  const { startedAt, readyAt } = processes.at(-1) ?? {};
  assert.ok(startedAt !== undefined && readyAt !== undefined);
  return readyAt - startedAt;
}

const models = async (folder: string): Promise<ModelConfig[]> => [
  {
    name: 'heavy',
    family: 'tiny',
    task: 'tensors',
    load: 'always',
    files: await modelFile(folder, 'heavy', tinyGraph(HEAVY)),
  },
];

/** How long after a job is given up the next one begins. */
async function nextAfter(world: EngineWorld, way: 'cancelled' | 'overdue'): Promise<number> {
  const victim = world.engine.submit(job(way === 'overdue' ? { deadlineMs: 500 } : {}));
  await until('it runs', () => victim.state().state === 'running');
  const next = world.engine.submit(job());
  const started = new Promise<number>((resolve) => {
    next.subscribe(({ state }) => {
      if (state === 'running') resolve(performance.now());
    });
  });
  if (way === 'cancelled') victim.cancel();
  const result = await victim.result;
  const freed = performance.now();
  assert.ok(!result.ok);
  assert.equal(result.outcome, way === 'cancelled' ? 'cancelled' : 'timed_out');
  const late = (await started) - freed;
  next.cancel();
  await next.result;
  await untilState(world, 'heavy', 'ready');
  return late;
}

describe('the place of a job that is given up', () => {
  it(`is free for the next one within the time its model takes to load and ${ALLOWANCE_MS} ms`, async (t) => {
    const world = await startEngine(models);
    try {
      await untilState(world, 'heavy', 'ready');
      const late: Record<'cancelled' | 'overdue', number[]> = { cancelled: [], overdue: [] };
      const loads: number[] = [];
      for (let round = 0; round < 2 * ROUNDS; round++) {
        // An ordinary load beside each measurement: whatever else the machine does weighs on both.
        await world.engine.unload('heavy');
        await world.engine.load('heavy');
        loads.push(loadTime(world));
        const way = round % 2 === 0 ? 'cancelled' : 'overdue';
        late[way].push(await nextAfter(world, way));
      }
      const load = median(loads);
      for (const [way, times] of Object.entries(late)) {
        t.diagnostic(
          `${way}: the next begins after a median of ${Math.round(median(times))} ms ` +
            `(all: ${times.map(Math.round).join(', ')}); the model loads in ${Math.round(load)} ms`,
        );
        assert.ok(median(times) <= load + ALLOWANCE_MS, `${way}: ${median(times)} ms, load ${load} ms`);
      }
    } finally {
      await world.stop();
    }
  });
});
