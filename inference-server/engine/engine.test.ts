import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestError } from '../../foundation/errors.ts';
import { createLogger } from '../../foundation/logger.ts';
import { until } from '../../test/support/program.ts';
import type { ModelConfig } from '../config.ts';
import type { JobOptions, Order } from '../worker/protocol.ts';
import type { EndCause } from './bring-up.ts';
import { createEngine, type EngineOptions } from './create-engine.ts';
import type { Engine, Job, JobHandle, JobResult } from './engine.ts';
import type { Died, LoadOutcome, ModelProcess, RunOutcome } from './model-process.ts';

/*
 * The engine against processes that do as the test says: what real ones do is in test/integration.
 */

const MIB = 2 ** 20;
const OPTIONS: JobOptions = {
  output: 'cutout',
  format: 'png',
  alpha: 'straight',
  colours: 'srgb',
  smoothMask: false,
};
const TIMINGS = { preprocessMs: 1, inferenceMs: 2, postprocessMs: 3 };
const MEMORY = { residentBytes: 10 * MIB, peakBytes: 10 * MIB };
const DIED: Died = { type: 'died', cause: 'it was ended by SIGKILL' };
const READY: LoadOutcome = { type: 'ready', loadMs: 1, inputs: [], outputs: [], ...MEMORY };
const UNUSABLE: LoadOutcome = {
  type: 'unusable',
  code: 'model_not_loaded',
  message: 'It is broken.',
  permanent: false,
};

interface Scripted extends ModelProcess {
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

function modelOf(name: string, change: Partial<ModelConfig> = {}): ModelConfig {
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
  } as ModelConfig;
}

interface World {
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

function world({ loads = (): LoadOutcome => READY, ...wishes }: Wishes = {}): World {
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
    run: async (change = {}, signal = undefined) =>
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

const stateOf = ({ engine }: World, model = 'm'): string => engine.model(model).state;

async function untilReady(test: World, model = 'm'): Promise<void> {
  await until(`${model} is ready`, () => stateOf(test, model) === 'ready');
}

async function readyWorld(wishes: Wishes = {}): Promise<World> {
  const test = world(wishes);
  for (const { name, load } of test.engine.models()) if (load === 'always') await untilReady(test, name);
  return test;
}

async function codeOf(work: Promise<JobResult>): Promise<string> {
  try {
    const result = await work;
    return result.ok ? 'ok' : result.error.code;
  } catch (error) {
    assert.ok(error instanceof RequestError, String(error));
    return error.code;
  }
}

function refusalOf(act: () => unknown): RequestError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof RequestError, String(error));
    return error;
  }
  throw new Error('it was taken');
}

const outputOf = (byte: number): Extract<RunOutcome, { type: 'done' }>['output'] => ({
  kind: 'background-removal',
  bytes: Uint8Array.of(byte),
});

describe('the queue of a model', () => {
  it('gives its process one job at a time, and the turn goes round between principals', async () => {
    const test = await readyWorld();
    const order: string[] = [];
    const submit = (principal: string, id: string): Promise<JobResult> =>
      test.run({ principal, id }).then((result) => {
        order.push(id);
        return result;
      });
    const work = [submit('ada', 'a1')];
    const process = await test.untilRunning();
    work.push(submit('ada', 'a2'), submit('ada', 'a3'), submit('bob', 'b1'), submit('eve', 'e1'));
    for (const job of work) {
      await until('the next runs', () => process.order() !== undefined);
      process.finishRun();
      await Promise.race([job, until('one is done', () => order.length > 0)]);
    }
    await Promise.all(work);
    assert.deepEqual(order, ['a1', 'a2', 'b1', 'e1', 'a3']);
    await test.engine.stop(0);
  });

  it('lets the more urgent go first', async () => {
    const test = await readyWorld();
    const first = test.submit();
    const process = await test.untilRunning();
    const low = test.submit({ priority: 'low' });
    const high = test.submit({ priority: 'high' });
    process.finishRun();
    await first.result;
    await test.untilRunning();
    assert.deepEqual([low.state().state, high.state().state], ['queued', 'running']);
    await test.engine.stop(0);
  });

  it('refuses a caller who has his share waiting with 429, and everyone when it is full with 503', async () => {
    const test = await readyWorld({ queue: { depth: 4, deadlineMs: 60_000, maxBytes: MIB } });
    test.submit();
    await test.untilRunning();
    for (let i = 0; i < 3; i++) test.submit();
    const own = refusalOf(() => test.submit());
    assert.deepEqual([own.status, own.code], [429, 'too_many_waiting']);
    assert.ok(Number(own.headers['retry-after']) >= 1);
    test.submit({ principal: 'bob' });
    const full = refusalOf(() => test.submit({ principal: 'eve' }));
    assert.deepEqual([full.status, full.code], [503, 'queue_full']);
    assert.ok(Number(full.headers['retry-after']) >= 1);
    assert.equal(test.recorded.length, 0);
    await test.engine.stop(0);
  });

  it('holds no more bytes of inputs than it may', async () => {
    const test = await readyWorld({ queue: { depth: 8, deadlineMs: 60_000, maxBytes: 100 } });
    const work = (bytes: number): Partial<Job> => ({
      work: { kind: 'background-removal', bytes: new Uint8Array(bytes), options: OPTIONS, pixels: 1 },
    });
    const first = test.submit(work(90));
    assert.equal(refusalOf(() => test.submit(work(20))).code, 'queue_full');
    (await test.untilRunning()).finishRun();
    await first.result;
    test.submit(work(20));
    await test.engine.stop(0);
  });

  it('begins nothing that its deadline would kill, and never comes to refuse everything', async () => {
    let clock = 0;
    const test = await readyWorld({ now: () => clock });
    const takes = async (work: Promise<JobResult>, ms: number): Promise<string> => {
      const process = await test.untilRunning();
      clock += ms;
      process.finishRun();
      return codeOf(work);
    };
    assert.equal(await takes(test.run(), 59_999), 'ok');
    const first = test.run();
    const second = test.run();
    assert.equal(await takes(first, 45_000), 'ok');
    assert.equal(await codeOf(second), 'deadline_exceeded');
    assert.deepEqual(test.causes, []);
    assert.equal(await takes(test.run(), 1), 'ok');
    await test.engine.stop(0);
  });
});

describe('a job', () => {
  it('is recorded once, before its result is given, whatever it came to', async () => {
    const pending: (() => void)[] = [];
    const seen: string[] = [];
    const test = await readyWorld({
      usage: {
        full: () => false,
        record: async ({ job }, result) => {
          seen.push(`${job.id} ${result.ok ? 'ok' : result.outcome}`);
          return new Promise((resolve) => pending.push(resolve));
        },
      },
    });
    const job = test.submit({ id: 'one' });
    (await test.untilRunning()).finishRun();
    await until('it is being recorded', () => seen.length === 1);
    assert.equal(job.state().state, 'running');
    pending.splice(0).forEach((done) => {
      done();
    });
    assert.equal((await job.result).ok, true);
    assert.equal(job.state().state, 'done');
    assert.deepEqual(seen, ['one ok']);
    await test.engine.stop(0);
  });

  it('whose use cannot be recorded gives no result', async () => {
    const test = await readyWorld({
      usage: { full: () => false, record: () => Promise.reject(new Error('the disk is full')) },
    });
    const work = test.run();
    (await test.untilRunning()).finishRun();
    assert.equal(await codeOf(work), 'usage_not_recorded');
    await test.engine.stop(0);
  });

  it('is seen by its principal only, and kept for its time and no longer', async () => {
    let clock = 0;
    const test = await readyWorld({ now: () => clock });
    const { id, result } = test.submit({ principal: 'ada' });
    assert.equal(refusalOf(() => test.submit({ id })).code, 'job_exists');
    (await test.untilRunning()).finishRun();
    await result;
    assert.equal(test.engine.job(id, 'bob'), undefined);
    assert.equal(test.engine.job(id, 'ada')?.state().state, 'done');
    clock += 60_000;
    assert.equal(test.engine.job(id, 'ada'), undefined);
    await test.engine.stop(0);
  });

  it('tells who watches where it is', async () => {
    const test = await readyWorld();
    const first = test.submit();
    const second = test.submit();
    const states: string[] = [];
    test
      .submit()
      .subscribe((state) => states.push(state.state === 'queued' ? `queued ${state.position}` : state.state));
    for (let i = 0; i < 3; i++) {
      (await test.untilRunning()).finishRun();
      await until('it is given back', () => test.recorded.length > i);
    }
    await Promise.all([first.result, second.result]);
    await until('the last is done', () => states.at(-1) === 'done');
    assert.deepEqual(states, ['queued 2', 'queued 1', 'running', 'done']);
    await test.engine.stop(0);
  });

  it('that waits is taken out of the queue when it is cancelled, and charged no time', async () => {
    const test = await readyWorld();
    const first = test.submit();
    await test.untilRunning();
    const leave = new AbortController();
    const gone = test.run({}, leave.signal);
    const second = test.submit();
    leave.abort();
    second.cancel();
    const [one, two] = await Promise.all([gone, second.result]);
    assert.ok(!one.ok && one.outcome === 'cancelled' && one.error.code === 'client_disconnected');
    assert.ok(!two.ok && two.outcome === 'cancelled' && two.error.code === 'job_cancelled');
    assert.equal(two.timings.inferenceMs, 0);
    assert.deepEqual(test.causes, []);
    test.process().finishRun();
    assert.equal((await first.result).ok, true);
    await test.engine.stop(0);
  });

  it('that runs is ended with its process when it is cancelled, and the next one runs on another', async () => {
    const test = await readyWorld();
    const first = test.submit();
    const victim = await test.untilRunning();
    const second = test.submit();
    first.cancel();
    const result = await first.result;
    assert.ok(!result.ok && result.outcome === 'cancelled');
    assert.ok(victim.ended());
    const next = await test.untilRunning();
    assert.notEqual(next, victim);
    next.finishRun();
    assert.equal((await second.result).ok, true);
    assert.deepEqual(test.causes, ['m cancelled']);
    await test.engine.stop(0);
  });

  it('that is cancelled shortly before its end is let go on, since that frees its place sooner', async () => {
    let clock = 0;
    const test = await readyWorld({ now: () => clock, loads: () => ({ ...READY, loadMs: 5_000 }) });
    const first = test.submit();
    const process = await test.untilRunning();
    clock += 1_000;
    process.finishRun();
    await first.result;
    const second = test.submit();
    await test.untilRunning();
    clock += 800;
    second.cancel();
    const result = await second.result;
    assert.ok(!result.ok && result.timings.inferenceMs === 800);
    assert.equal(process.ended(), false);
    process.finishRun();
    await until('its place is free', () => test.engine.model('m').running === 0);
    assert.deepEqual(test.causes, []);
    await test.engine.stop(0);
  });

  it('that is overdue is ended with its process', async () => {
    const test = await readyWorld();
    const work = test.run({ deadlineMs: 20 });
    const victim = await test.untilRunning();
    assert.equal(await codeOf(work), 'deadline_exceeded');
    assert.ok(victim.ended());
    await untilReady(test);
    assert.deepEqual(test.causes, ['m deadline']);
    assert.equal(test.recorded[0]?.result.ok, false);
    await test.engine.stop(0);
  });

  it('for another task than the model has is refused by name', async () => {
    const tensors = modelOf('t', { task: 'tensors' });
    const test = await readyWorld({ models: [modelOf('m'), tensors] });
    assert.equal(refusalOf(() => test.submit({ model: 't' })).code, 'task_unsupported');
    assert.equal(refusalOf(() => test.submit({ model: 'x' })).code, 'model_unknown');
    const work = test.run({ model: 't', work: { kind: 'tensors', inputs: [] } });
    (await test.untilRunning('t')).finishRun({ output: { kind: 'tensors', outputs: [] } });
    assert.equal(await codeOf(work), 'ok');
    await test.engine.stop(0);
  });
});

describe('equal jobs', () => {
  const cache = { maxBytes: MIB, ttlMs: 60_000 };
  const picture = (byte: number, change: Partial<JobOptions> = {}): Partial<Job> => ({
    work: {
      kind: 'background-removal',
      bytes: Uint8Array.of(byte),
      options: { ...OPTIONS, ...change },
      pixels: 64,
    },
  });

  it('at once run once, and each is recorded; the model is charged to one of them', async () => {
    const test = await readyWorld({ cache });
    const work = [test.run(picture(1)), test.run({ ...picture(1), principal: 'bob' }), test.run(picture(1))];
    const process = await test.untilRunning();
    await until('all wait for it', () => test.engine.model('m').waiting === 0);
    process.finishRun({ output: outputOf(7) });
    const results = await Promise.all(work);
    assert.deepEqual(results.map(({ from }) => from).toSorted(), ['run', 'shared', 'shared']);
    assert.ok(results.every((result) => result.ok && result.output.kind === 'background-removal'));
    assert.equal(results.filter(({ timings }) => timings.inferenceMs > 0).length, 1);
    assert.equal(test.recorded.length, 3);
    await test.engine.stop(0);
  });

  it('are given the same result again, while parameters, input and version are the same', async () => {
    const test = await readyWorld({ cache });
    const first = test.run(picture(1));
    (await test.untilRunning()).finishRun({ output: outputOf(7) });
    await first;
    const hit = await test.run(picture(1));
    assert.ok(hit.ok && hit.from === 'hit' && hit.timings.inferenceMs === 0);
    for (const other of [picture(2), picture(1, { format: 'webp' })]) {
      const work = test.run(other);
      (await test.untilRunning()).finishRun();
      assert.equal((await work).from, 'run');
    }
    const [file] = modelOf('m').files;
    assert.ok(file !== undefined);
    await test.engine.replaceModel(modelOf('m', { files: [{ ...file, sha256: 'b'.repeat(64) }] }));
    const again = test.run(picture(1));
    (await test.untilRunning()).finishRun();
    assert.equal((await again).from, 'run');
    assert.equal(test.recorded.length, 5);
    await test.engine.stop(0);
  });

  it('are not given up when one of them is', async () => {
    const test = await readyWorld({ cache });
    const first = test.submit(picture(1));
    const second = test.submit(picture(1));
    const process = await test.untilRunning();
    await until('both wait for it', () => second.state().state === 'running');
    first.cancel();
    const cancelled = await first.result;
    assert.ok(!cancelled.ok && cancelled.outcome === 'cancelled');
    process.finishRun();
    assert.equal((await second.result).ok, true);
    assert.deepEqual(test.causes, []);
    await test.engine.stop(0);
  });

  it('are nothing special unless that was asked for', async () => {
    const test = await readyWorld();
    const work = [test.run(picture(1)), test.run(picture(1))];
    for (let i = 0; i < 2; i++) {
      (await test.untilRunning()).finishRun();
      await until('it is recorded', () => test.recorded.length > i);
    }
    for (const result of await Promise.all(work)) assert.equal(result.from, 'run');
    await test.engine.stop(0);
  });
});

describe('a model', () => {
  it('takes no work before it has been ready once, and tells why', async () => {
    const test = world({ loads: () => UNUSABLE });
    await until('the problem is known', () => test.engine.problems()[0]?.code === 'model_not_loaded');
    const refusal = refusalOf(() => test.submit());
    assert.deepEqual([refusal.status, refusal.code], [503, 'model_not_ready']);
    await until('it tries again', () => test.processes.length >= 3);
    await test.engine.stop(0);
  });

  it('is not tried again when that cannot help, until it is asked for', async () => {
    const test = world({ loads: (_, attempt) => (attempt === 0 ? { ...UNUSABLE, permanent: true } : READY) });
    await until('it is known to be useless', () => stateOf(test) === 'failed');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(test.processes.length, 1);
    await test.engine.load('m');
    assert.equal(stateOf(test), 'ready');
    await test.engine.stop(0);
  });

  it('keeps what waits while it replaces a process that died over a job', async () => {
    const test = await readyWorld();
    const victim = test.run();
    const process = await test.untilRunning();
    const next = test.run();
    process.end();
    assert.equal(await codeOf(victim), 'model_process_died');
    await until('another runs', () => test.processes.length === 2 && test.process().order() !== undefined);
    test.process().finishRun();
    assert.equal(await codeOf(next), 'ok');
    assert.deepEqual(test.causes, ['m died']);
    await test.engine.stop(0);
  });

  it('tells those who wait when several starts in a row came to nothing', async () => {
    const test = await readyWorld({ loads: (_, attempt) => (attempt === 0 ? READY : UNUSABLE) });
    const victim = test.run();
    const process = await test.untilRunning();
    const waiting = test.run();
    process.end();
    assert.equal(await codeOf(victim), 'model_process_died');
    assert.equal(await codeOf(waiting), 'model_not_ready');
    assert.equal(await codeOf(test.run()), 'model_not_ready');
    await test.engine.stop(0);
  });

  it('on demand is loaded by its first job, and unloaded when idle', async () => {
    const test = world({ models: [modelOf('m', { load: 'on-demand' })], idleUnloadMs: 30 });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([stateOf(test), test.processes.length], ['unloaded', 0]);
    const job = test.submit();
    assert.equal(job.state().state, 'loading');
    (await test.untilRunning()).finishRun();
    assert.equal((await job.result).ok, true);
    await until('it is unloaded', () => stateOf(test) === 'unloaded');
    assert.deepEqual(test.causes, ['m idle']);
    assert.deepEqual(test.engine.problems(), []);
    await test.engine.stop(0);
  });

  it('is unloaded on request after its running job, and loaded again when asked for', async () => {
    const test = await readyWorld();
    const job = test.submit();
    const process = await test.untilRunning();
    const unloaded = test.engine.unload('m');
    assert.equal(stateOf(test), 'draining');
    process.finishRun();
    await unloaded;
    assert.equal((await job.result).ok, true);
    await until('it is unloaded', () => stateOf(test) === 'unloaded');
    assert.deepEqual(test.engine.problems(), []);
    const next = test.submit();
    (await test.untilRunning()).finishRun();
    assert.equal((await next.result).ok, true);
    await test.engine.stop(0);
  });

  it('makes room for another, the least recently used idle one first', async () => {
    const on = (name: string): ModelConfig => modelOf(name, { load: 'on-demand', memoryMiB: 40 });
    const test = world({
      models: [on('a'), on('b'), on('c')],
      memoryBudget: 100 * MIB,
      loads: () => ({ ...READY, peakBytes: 40 * MIB }),
    });
    for (const name of ['a', 'b', 'a', 'c']) {
      const work = test.run({ model: name });
      (await test.untilRunning(name)).finishRun();
      assert.equal(await codeOf(work), 'ok');
    }
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => stateOf(test, name)),
      ['ready', 'unloaded', 'ready'],
    );
    assert.deepEqual(test.causes, ['b evicted']);
    await test.engine.stop(0);
  });

  it('that can never fit is refused with the reason', async () => {
    const test = world({
      models: [modelOf('small', { memoryMiB: 10 }), modelOf('huge', { load: 'on-demand', memoryMiB: 95 })],
      memoryBudget: 100 * MIB,
    });
    await untilReady(test, 'small');
    const result = await test.run({ model: 'huge' });
    assert.ok(!result.ok && result.error.code === 'model_too_large');
    assert.match(result.error.message, /95 MiB.*budget for models is 100 MiB.*always loaded hold 10 MiB/);
    assert.equal(test.processes.length, 1);
    await test.engine.stop(0);
  });

  it('that turns out to be larger than the budget is refused as well', async () => {
    const test = world({
      models: [modelOf('m', { memoryMiB: 10 })],
      memoryBudget: 100 * MIB,
      loads: () => ({ ...READY, peakBytes: 101 * MIB }),
    });
    await until('it is known', () => test.engine.problems()[0]?.code === 'model_too_large');
    assert.ok(test.process().ended());
    await test.engine.stop(0);
  });
});

describe('another version of a model', () => {
  const version = (digit: string): ModelConfig =>
    modelOf('m', {
      memoryMiB: 40,
      files: [{ name: 'model.onnx', path: '/m', sha256: digit.repeat(64), size: 1 }],
    });

  it('is warm before the old one goes, and no job fails', async () => {
    let letLoad: (outcome: LoadOutcome) => void = () => undefined;
    const test = await readyWorld({
      loads: (_, attempt) =>
        attempt === 0
          ? READY
          : new Promise((resolve) => {
              letLoad = resolve;
            }),
    });
    const first = test.submit();
    const old = await test.untilRunning();
    const second = test.submit();
    const replaced = test.engine.replaceModel(version('b'));
    await until('the new one is started', () => test.processes.length === 2);
    old.finishRun();
    await first.result;
    await until('the old one goes on', () => old.order() !== undefined);
    letLoad(READY);
    await replaced;
    const third = test.submit();
    await until('the new one runs', () => test.process().order() !== undefined);
    assert.ok(old.order() !== undefined && !old.ended());
    old.finishRun();
    test.process().finishRun();
    const results = await Promise.all([second.result, third.result]);
    assert.ok(results.every(({ ok }) => ok));
    assert.deepEqual(
      results.map(({ model }) => model.sha256[0]),
      ['a', 'b'],
    );
    await until('the old one is gone', () => old.ended());
    await test.engine.stop(0);
  });

  it('takes the place of the old one when there is no room for both, while jobs wait', async () => {
    const test = await readyWorld({
      models: [version('a')],
      memoryBudget: 60 * MIB,
      loads: () => ({ ...READY, peakBytes: 40 * MIB }),
    });
    const first = test.submit();
    const old = await test.untilRunning();
    const second = test.submit();
    const replaced = test.engine.replaceModel(version('b'));
    await until('the old one is to go', () => stateOf(test) === 'draining');
    assert.equal(test.processes.length, 1);
    old.finishRun();
    await replaced;
    (await test.untilRunning()).finishRun();
    assert.deepEqual(
      (await Promise.all([first.result, second.result])).map(({ ok, model }) => [ok, model.sha256[0]]),
      [
        [true, 'a'],
        [true, 'b'],
      ],
    );
    await test.engine.stop(0);
  });

  for (const [room, budget] of [
    ['with', 1000],
    ['without', 60],
  ] as const)
    it(`that cannot be served leaves the old one in its place, ${room} room for both`, async () => {
      const test = await readyWorld({
        models: [version('a')],
        memoryBudget: budget * MIB,
        loads: ({ files }) =>
          files[0]?.sha256.startsWith('b') === true ? UNUSABLE : { ...READY, peakBytes: 40 * MIB },
      });
      await assert.rejects(test.engine.replaceModel(version('b')), { code: 'model_not_replaced' });
      await untilReady(test);
      const work = test.run();
      const process = await test.untilRunning();
      assert.ok(process.sha256.startsWith('a'));
      process.finishRun();
      assert.equal(await codeOf(work), 'ok');
      await test.engine.stop(0);
    });

  it('is the same one again, in a fresh process, after so many runs or so much growth', async () => {
    for (const [recycle, change] of [
      [{ afterRuns: 2, growthBytes: 0 }, {}],
      [{ afterRuns: 0, growthBytes: 5 * MIB }, { residentBytes: 16 * MIB }],
    ] as const) {
      const test = await readyWorld({ recycle });
      const old = test.process();
      for (let run = 0; run < 2; run++) {
        const work = test.run();
        (await test.untilRunning()).finishRun(run === 0 ? {} : change);
        assert.equal(await codeOf(work), 'ok');
      }
      await until('it is replaced', () => old.ended() && test.processes.length === 2);
      assert.deepEqual(test.causes, [recycle.afterRuns > 0 ? 'm runs' : 'm growth']);
      await test.engine.stop(0);
    }
  });
});

describe('stopping', () => {
  it('gives what is under way its time, and tells the rest to come again', async () => {
    const test = await readyWorld();
    const first = test.run();
    const process = await test.untilRunning();
    const second = test.run();
    const stopped = test.engine.stop(100);
    assert.equal(refusalOf(() => test.submit()).code, 'server_stopping');
    process.finishRun();
    assert.equal(await codeOf(first), 'ok');
    await stopped;
    assert.equal(await codeOf(second), 'server_stopping');
    assert.equal(test.recorded.length, 2);
    assert.ok(test.processes.every((each) => each.ended()));
  });
});
