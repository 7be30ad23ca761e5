import assert from 'node:assert/strict';
import { RequestError } from '../../foundation/errors.ts';
import { createLogger } from '../../foundation/logger.ts';
import { until } from './program.ts';
import type { ModelConfig } from '../../inference-server/config.ts';
import type { JobOptions, Order } from '../../inference-server/worker/protocol.ts';
import type { EndCause } from '../../inference-server/engine/bring-up.ts';
import { createEngine, type EngineOptions } from '../../inference-server/engine/create-engine.ts';
import type { Engine, Job, JobHandle, JobResult } from '../../inference-server/engine/engine.ts';
import type {
  Died,
  LoadOutcome,
  ModelProcess,
  RunOutcome,
} from '../../inference-server/engine/model-process.ts';

/*
 * The engine with processes that do as the test says: what real ones do is in test/integration.
 */

export const MIB = 2 ** 20;
export const OPTIONS: JobOptions = {
  output: 'cutout',
  format: 'png',
  alpha: 'straight',
  colours: 'srgb',
  smoothMask: false,
};
const TIMINGS = { preprocessMs: 1, inferenceMs: 2, postprocessMs: 3 };
const MEMORY = { residentBytes: 10 * MIB, peakBytes: 10 * MIB };
const DIED: Died = { type: 'died', cause: 'it was ended by SIGKILL' };
export const READY: LoadOutcome = { type: 'ready', loadMs: 1, inputs: [], outputs: [], ...MEMORY };
export const UNUSABLE: LoadOutcome = {
  type: 'unusable',
  code: 'model_not_loaded',
  message: 'It is broken.',
  permanent: false,
};

export interface Scripted extends ModelProcess {
  model: string;
  sha256: string;
  order: () => Order | undefined;
  finishRun: (change?: Partial<Extract<RunOutcome, { type: 'done' }>>) => void;
  /** It ends without being asked to. */
  end: () => void;
  ended: () => boolean;
}

function scriptedProcess(config: ModelConfig, outcome: LoadOutcome | Promise<LoadOutcome>): Scripted {
  let settleExit: (died: Died) => void = () => undefined;
  let running: { order: Order; settle: (outcome: RunOutcome) => void } | undefined;
  let ended = false;
  const exited = new Promise<Died>((resolve) => {
    settleExit = resolve;
  });
  const settle = (result: RunOutcome): void => {
    const run = running;
    running = undefined;
    run?.settle(result);
  };
  const end = (): void => {
    ended = true;
    settle(DIED);
    settleExit(DIED);
  };
  return {
    model: config.name,
    sha256: config.files[0]?.sha256 ?? '',
    pid: 1,
    loaded: Promise.race([Promise.resolve(outcome), exited]),
    run: async (order) =>
      new Promise((resolve) => {
        running = { order, settle: resolve };
      }),
    kill: end,
    exited,
    order: () => running?.order,
    finishRun(change = {}) {
      const output = { kind: 'background-removal', bytes: new Uint8Array(1) } as const;
      settle({ type: 'done', job: 0, output, timings: TIMINGS, ...MEMORY, ...change });
    },
    end,
    ended: () => ended,
  };
}

export function modelOf(name: string, change: Partial<ModelConfig> = {}): ModelConfig {
  return {
    name,
    family: 'tiny',
    task: 'background-removal',
    load: 'always',
    files: [{ name: 'model.onnx', path: `/${name}`, sha256: 'a'.repeat(64), size: 1 }],
    pipeline: {
      size: { width: 8, height: 8 },
      mean: [0, 0, 0],
      std: [1, 1, 1],
      activation: 'none',
    },
    ...change,
  };
}

export interface World {
  engine: Engine;
  processes: Scripted[];
  causes: string[];
  recorded: { id: string; result: JobResult }[];
  submit: (change?: Partial<Job>) => JobHandle;
  run: (change?: Partial<Job>, signal?: AbortSignal) => Promise<JobResult>;
  /** The process of a model that was started last. */
  process: (model?: string) => Scripted;
  untilRunning: (model?: string) => Promise<Scripted>;
}

interface Wishes extends Partial<Omit<EngineOptions, 'start'>> {
  loads?: (config: ModelConfig, attempt: number) => LoadOutcome | Promise<LoadOutcome>;
}

export function world({ loads = (): LoadOutcome => READY, ...wishes }: Wishes = {}): World {
  const processes: Scripted[] = [];
  const causes: string[] = [];
  const recorded: World['recorded'] = [];
  let ids = 0;
  const engine = createEngine({
    models: [modelOf('m')],
    tenant: 'acme',
    executionProvider: 'cpu',
    queue: { depth: 8, deadlineMs: 60_000, maxBytes: MIB },
    memoryBudget: 1000 * MIB,
    idleUnloadMs: 0,
    recycle: { afterRuns: 0, growthBytes: 0 },
    cache: undefined,
    kept: { maxJobs: 100, maxBytes: MIB, keepMs: 60_000 },
    start(config) {
      const attempt = processes.filter(({ model }) => model === config.name).length;
      const started = scriptedProcess(config, loads(config, attempt));
      processes.push(started);
      return started;
    },
    usage: {
      record: async ({ job }, result) => {
        recorded.push({ id: job.id, result });
        return Promise.resolve();
      },
      full: () => false,
    },
    now: () => performance.now(),
    wallClock: () => new Date(),
    random: () => 0,
    logger: createLogger('test', 'silent'),
    observe: {
      done: () => undefined,
      loaded: () => undefined,
      ended: (model: string, cause: EndCause) => causes.push(`${model} ${cause}`),
    },
    ...wishes,
  });
  const job = (change: Partial<Job>): Job => ({
    id: `job-${++ids}`,
    model: undefined,
    principal: 'ada',
    route: '/v1/cutouts',
    work: { kind: 'background-removal', bytes: new Uint8Array(1), options: OPTIONS, pixels: 64 },
    ...change,
  });
  const process = (model = 'm'): Scripted => {
    const found = processes.findLast((candidate) => candidate.model === model);
    assert.ok(found !== undefined, `no process of ${model}`);
    return found;
  };
  return {
    engine,
    processes,
    causes,
    recorded,
    submit: (change = {}) => engine.submit(job(change)),
    run: async (change = {}, signal?: AbortSignal) =>
      engine.run(job(change), signal === undefined ? {} : { signal }),
    process,
    async untilRunning(model = 'm') {
      await until(`${model} runs`, () =>
        processes.some((candidate) => candidate.model === model && candidate.order() !== undefined),
      );
      const found = processes.findLast(
        (candidate) => candidate.model === model && candidate.order() !== undefined,
      );
      assert.ok(found !== undefined);
      return found;
    },
  };
}

export const stateOf = ({ engine }: World, model = 'm'): string => engine.model(model).state;

export async function untilReady(test: World, model = 'm'): Promise<void> {
  await until(`${model} is ready`, () => stateOf(test, model) === 'ready');
}

export async function readyWorld(wishes: Wishes = {}): Promise<World> {
  const test = world(wishes);
  for (const { name, load } of test.engine.models()) if (load === 'always') await untilReady(test, name);
  return test;
}

export async function codeOf(work: Promise<JobResult>): Promise<string> {
  try {
    const result = await work;
    return result.ok ? 'ok' : result.error.code;
  } catch (error) {
    assert.ok(error instanceof RequestError, String(error));
    return error.code;
  }
}

export function refusalOf(act: () => unknown): RequestError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof RequestError, String(error));
    return error;
  }
  throw new Error('it was taken');
}

export const outputOf = (byte: number): Extract<RunOutcome, { type: 'done' }>['output'] => ({
  kind: 'background-removal',
  bytes: Uint8Array.of(byte),
});
