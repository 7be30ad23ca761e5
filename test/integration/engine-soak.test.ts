import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import sharp from 'sharp';
import { v7 as newUuid } from 'uuid';
import { RequestError } from '../../foundation/errors.ts';
import type { ModelConfig } from '../../inference-server/config.ts';
import {
  type Job,
  type JobHandle,
  type JobResult,
  PRIORITIES,
} from '../../inference-server/engine/engine.ts';
import { type EngineWorld, modelFile, startEngine } from '../support/engine.ts';
import { identityGraph, tinyGraph } from '../support/onnx.ts';
import { until } from '../support/program.ts';

const JOBS = 10_000;
const AT_ONCE = 24;
const PHASE = 300;
const MIB = 2 ** 20;
const OPTIONS = {
  output: 'cutout',
  format: 'png',
  alpha: 'straight',
  colours: 'srgb',
  smoothMask: false,
} as const;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** The same numbers for the same seed (mulberry32), so that a failure can be had again. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Holdings {
  handles: number;
  children: number;
  heapMiB: number;
}

async function holdings(): Promise<Holdings> {
  collectGarbage();
  const [descriptors, children] = await Promise.all([
    readdir('/proc/self/fd'),
    readFile(`/proc/self/task/${process.pid}/children`, 'utf8'),
  ]);
  const { heapUsed, external } = process.memoryUsage();
  return {
    handles: descriptors.length,
    children: children.split(' ').filter((pid) => pid.trim() !== '').length,
    heapMiB: (heapUsed + external) / MIB,
  };
}

const picture = await sharp({ create: { width: 32, height: 32, channels: 3, background: '#3355aa' } })
  .png()
  .toBuffer();

async function models(folder: string): Promise<ModelConfig[]> {
  const pipeline = {
    size: { width: 16, height: 16 },
    mean: [0, 0, 0] as [number, number, number],
    std: [1, 1, 1] as [number, number, number],
    activation: 'none' as const,
  };
  const values = identityGraph([{ name: 'x', datatype: 'FP32', shape: [-1] }]);
  const common = { family: 'tiny', memoryMiB: 100 };
  return [
    {
      ...common,
      name: 'cut-a',
      load: 'always',
      task: 'background-removal',
      pipeline,
      files: await modelFile(folder, 'cut-a', tinyGraph({ width: 16, height: 16 })),
    },
    {
      ...common,
      name: 'cut-b',
      load: 'on-demand',
      task: 'background-removal',
      pipeline,
      files: await modelFile(folder, 'cut-b', tinyGraph({ width: 16, height: 16, work: 1 })),
    },
    {
      ...common,
      name: 'same',
      load: 'on-demand',
      task: 'tensors',
      files: await modelFile(folder, 'same', values),
    },
  ];
}

function randomJob(random: () => number, id: string, phase: number): Job {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  // There is room for two: which one is beside the first changes from time to time.
  const model = pick(['cut-a', phase % 2 === 0 ? 'cut-b' : 'same']);
  const value = new Uint8Array(Float32Array.of(random(), random()).buffer);
  return {
    id,
    model,
    principal: pick(['ada', 'bob', 'eve', 'kim']),
    route: '/soak',
    priority: pick(PRIORITIES),
    // Now and then no time at all: it is overdue while it waits, or while it runs.
    ...(random() < 0.003 ? { deadlineMs: 3 } : {}),
    work:
      model === 'same'
        ? { kind: 'tensors', inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: value }] }
        : { kind: 'background-removal', bytes: picture, options: OPTIONS, pixels: 1024 },
  };
}

/** A result belongs to its job: what went in comes out. */
function assertItsOwn({ work }: Job, result: JobResult): void {
  if (!result.ok) return;
  if (work.kind === 'tensors') {
    assert.ok(result.output.kind === 'tensors');
    assert.deepEqual(
      Buffer.from(result.output.outputs[0]?.data ?? []),
      Buffer.from(work.inputs[0]?.data ?? []),
    );
  } else assert.ok(result.output.kind === 'background-removal' && result.output.bytes.length > 0);
}

interface Tally {
  outcomes: Map<string, string>;
  refusals: number;
}

/** Submits until it is taken: a refusal makes no job and no record. */
async function submitted(world: EngineWorld, job: Job, tally: Tally): Promise<JobHandle> {
  for (;;) {
    try {
      return world.engine.submit(job);
    } catch (error) {
      assert.ok(error instanceof RequestError && [429, 503].includes(error.status), String(error));
      assert.ok(Number(error.headers['retry-after']) >= 1, error.code);
      tally.refusals++;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function oneJob(world: EngineWorld, random: () => number, tally: Tally): Promise<void> {
  const job = randomJob(random, newUuid(), Math.floor(tally.outcomes.size / PHASE));
  const handle = await submitted(world, job, tally);
  if (random() < 0.05)
    setTimeout(() => {
      handle.cancel();
    }, random() * 30);
  const result = await handle.result;
  assert.equal(handle.state().state, 'done');
  assertItsOwn(job, result);
  tally.outcomes.set(job.id, result.ok ? 'succeeded' : `${result.outcome} ${result.error.code}`);
}

/** Does something to the engine, as an administrator or the kernel would. */
async function disturb(world: EngineWorld, random: () => number): Promise<void> {
  const names = ['cut-a', 'cut-b', 'same'];
  const name = names[Math.floor(random() * names.length)] ?? 'same';
  const { engine } = world;
  const kind = random();
  if (kind < 0.4) world.processes.findLast(({ model }) => model === name)?.process.kill();
  else if (kind < 0.7) await engine.unload(name);
  else
    await engine.load(name).catch((error: unknown) => {
      assert.ok(error instanceof RequestError);
    });
}

async function soak(world: EngineWorld, jobs: number, seed: number): Promise<Tally> {
  const random = randomOf(seed);
  const tally: Tally = { outcomes: new Map(), refusals: 0 };
  let left = jobs;
  const client = async (): Promise<void> => {
    while (left > 0) {
      left--;
      if (left % 250 === 0) void disturb(world, random);
      await oneJob(world, random, tally);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  return tally;
}

describe('the engine over thousands of jobs, with loads, unloads, kills and cancels', () => {
  it('ends where it began, and jobs, results and usage events match one to one', async (t) => {
    // Once before, so that what is loaded and compiled at first use is not taken for growth.
    const warm = await startEngine(models);
    await soak(warm, 200, 1);
    await warm.stop();
    const before = await holdings();

    // Room for two of three models.
    const world = await startEngine(models, { memoryBudget: 320 * MIB, idleUnloadMs: 500 });
    const started = performance.now();
    const tally = await soak(world, JOBS, 20_261_124);
    const seconds = (performance.now() - started) / 1000;
    await until('all events are delivered', () => world.events.size >= JOBS);
    const { engine, events } = world;
    assert.deepEqual(
      engine.models().map(({ waiting, running }) => [waiting, running]),
      [
        [0, 0],
        [0, 0],
        [0, 0],
      ],
    );
    await world.stop();

    assert.equal(tally.outcomes.size, JOBS);
    assert.equal(events.size, JOBS);
    for (const [id, outcome] of tally.outcomes) {
      const { event, times } = events.get(id) ?? {};
      assert.equal(times, 1, id);
      assert.equal([event?.outcome, event?.code].filter(Boolean).join(' '), outcome, id);
    }
    const counts = new Map<string, number>();
    for (const outcome of tally.outcomes.values()) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    const causes = new Map<string, number>();
    for (const cause of world.causes) causes.set(cause, (causes.get(cause) ?? 0) + 1);
    t.diagnostic(`${JOBS} jobs in ${seconds.toFixed(0)} s, ${tally.refusals} refusals on the way`);
    t.diagnostic(`outcomes: ${[...counts].map(([outcome, n]) => `${n} ${outcome}`).join(', ')}`);
    t.diagnostic(`processes ended: ${[...causes].map(([cause, n]) => `${n} ${cause}`).join(', ')}`);
    assert.ok((counts.get('succeeded') ?? 0) > JOBS * 0.9);
    assert.ok((counts.get('cancelled job_cancelled') ?? 0) > JOBS * 0.01);

    await until('what it held is given back', async () => {
      const { handles, children } = await holdings();
      return handles <= before.handles && children <= before.children;
    });
    const after = await holdings();
    t.diagnostic(
      `handles ${before.handles} → ${after.handles}, child processes ${before.children} → ${after.children}, ` +
        `heap ${before.heapMiB.toFixed(1)} → ${after.heapMiB.toFixed(1)} MiB`,
    );
    // The outcomes that this test itself keeps are 2 MiB.
    assert.ok(after.heapMiB < before.heapMiB + 12);
  });
});
