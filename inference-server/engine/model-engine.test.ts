import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestError } from '../../foundation/errors.ts';
import { createLogger } from '../../foundation/logger.ts';
import { until } from '../../test/support/program.ts';
import type { JobOptions } from '../worker/protocol.ts';
import { createModelEngine, type JobResult, type ModelEngine, type RestartCause } from './model-engine.ts';
import type { Died, LoadOutcome, ModelProcess, RunOutcome } from './model-process.ts';

/*
 * The engine against processes that do as the test says: what real ones do is in test/integration/inference-faults.
 */

const OPTIONS: JobOptions = {
  output: 'cutout',
  format: 'png',
  alpha: 'straight',
  colours: 'srgb',
  smoothMask: false,
};
const TIMINGS = { preprocessMs: 1, inferenceMs: 2, postprocessMs: 3 };
const DIED: Died = { type: 'died', cause: 'it was ended by SIGKILL' };
const UNUSABLE: LoadOutcome = {
  type: 'unusable',
  code: 'model_not_loaded',
  message: 'It is broken.',
  permanent: false,
};

interface Scripted extends ModelProcess {
  finishRun: (outcome?: RunOutcome) => void;
  running: () => boolean;
  /** It ends without being asked to. */
  end: () => void;
}

function scriptedProcess(outcome: LoadOutcome): Scripted {
  let settleExit: (died: Died) => void = () => undefined;
  let settleRun: ((outcome: RunOutcome) => void) | undefined;
  const exited = new Promise<Died>((resolve) => {
    settleExit = resolve;
  });
  const finishRun = (
    result: RunOutcome = { type: 'done', job: 0, bytes: new Uint8Array(1), timings: TIMINGS },
  ): void => {
    settleRun?.(result);
    settleRun = undefined;
  };
  const end = (): void => {
    settleExit(DIED);
    finishRun(DIED);
  };
  return {
    pid: 1,
    loaded: Promise.resolve(outcome),
    run: async () =>
      new Promise((resolve) => {
        settleRun = resolve;
      }),
    kill: end,
    exited,
    finishRun,
    running: () => settleRun !== undefined,
    end,
  };
}

interface Bench {
  engine: ModelEngine;
  processes: Scripted[];
  causes: RestartCause[];
  submit: (signal?: AbortSignal) => Promise<JobResult>;
  /** The process that is at work now. */
  current: () => Scripted;
}

function bench(
  loads: (attempt: number) => LoadOutcome,
  options: { depth?: number; deadlineMs?: number; now?: () => number } = {},
): Bench {
  const processes: Scripted[] = [];
  const causes: RestartCause[] = [];
  const engine = createModelEngine({
    name: 'm',
    depth: options.depth ?? 4,
    deadlineMs: options.deadlineMs ?? 60_000,
    start() {
      const started = scriptedProcess(loads(processes.length));
      processes.push(started);
      return started;
    },
    now: options.now ?? ((): number => performance.now()),
    random: () => 0,
    logger: createLogger('test', 'silent'),
    observe: { loaded: () => undefined, restarted: (cause) => causes.push(cause) },
  });
  return {
    engine,
    processes,
    causes,
    submit: async (signal = new AbortController().signal) =>
      engine.submit(new Uint8Array(1), OPTIONS, signal),
    current: () => processes.at(-1) as Scripted,
  };
}

const ready = (): LoadOutcome => ({ type: 'ready', loadMs: 1 });

async function untilReady({ engine }: Bench): Promise<void> {
  await until('the engine is ready', () => engine.problem() === undefined);
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

describe('the model engine', () => {
  it('gives its process one job at a time, in order, and refuses what has no room', async () => {
    const test = bench(ready, { depth: 2 });
    await untilReady(test);
    const order: string[] = [];
    const submitNamed = async (name: string): Promise<void> => {
      await test.submit();
      order.push(name);
    };
    const first = submitNamed('first');
    await until('it runs', () => test.current().running());
    const rest = [submitNamed('second'), submitNamed('third')];
    assert.equal(await codeOf(test.submit()), 'queue_full');
    assert.equal(test.engine.pending(), 3);
    for (const work of [first, ...rest]) {
      await until('it runs', () => test.current().running());
      test.current().finishRun();
      await work;
    }
    assert.deepEqual(order, ['first', 'second', 'third']);
    await test.engine.stop();
  });

  it('keeps what waits while it replaces a process that died over a job', async () => {
    const test = bench(ready);
    await untilReady(test);
    const victim = test.submit();
    await until('it runs', () => test.current().running());
    const next = test.submit();
    test.current().end();
    assert.equal(await codeOf(victim), 'model_process_died');
    await until('the next runs', () => test.processes.length === 2 && test.current().running());
    test.current().finishRun();
    assert.equal(await codeOf(next), 'ok');
    assert.deepEqual(test.causes, ['died']);
    await test.engine.stop();
  });

  it('takes no work before the model has been ready once, and tells why', async () => {
    const test = bench(() => UNUSABLE);
    await until('the problem is known', () => test.engine.problem()?.code === 'model_not_loaded');
    assert.equal(await codeOf(test.submit()), 'model_not_ready');
    await until('it tries again', () => test.processes.length >= 3);
    await test.engine.stop();
  });

  it('does not try again what cannot become better', async () => {
    const test = bench(() => ({ ...UNUSABLE, permanent: true }));
    await until('the problem is known', () => test.engine.problem()?.code === 'model_not_loaded');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(test.processes.length, 1);
    await test.engine.stop();
  });

  it('tells those who wait when several starts in a row came to nothing', async () => {
    const test = bench((attempt) => (attempt === 0 ? ready() : UNUSABLE));
    await untilReady(test);
    const victim = test.submit();
    await until('it runs', () => test.current().running());
    const waiting = test.submit();
    test.current().end();
    assert.equal(await codeOf(victim), 'model_process_died');
    assert.equal(await codeOf(waiting), 'model_not_ready');
    assert.equal(await codeOf(test.submit()), 'model_not_ready');
    await test.engine.stop();
  });

  it('begins nothing that its deadline would kill, and never comes to refuse everything', async () => {
    let clock = 0;
    const test = bench(ready, { deadlineMs: 60_000, now: () => clock });
    await untilReady(test);
    const takes = async (work: Promise<JobResult>, ms: number): Promise<string> => {
      await until('it runs', () => test.current().running());
      clock += ms;
      test.current().finishRun();
      return codeOf(work);
    };
    assert.equal(await takes(test.submit(), 59_999), 'ok');
    const first = test.submit();
    const second = test.submit();
    assert.equal(await takes(first, 45_000), 'ok');
    assert.equal(await codeOf(second), 'deadline_exceeded');
    assert.deepEqual(test.causes, []);
    assert.equal(await takes(test.submit(), 1), 'ok');
    await test.engine.stop();
  });

  it('drops what waits for a client that left, and counts it as no run', async () => {
    const test = bench(ready);
    await untilReady(test);
    const first = test.submit();
    await until('it runs', () => test.current().running());
    const leave = new AbortController();
    const second = test.submit(leave.signal);
    leave.abort();
    const result = await second;
    assert.ok(!result.ok && result.outcome === 'cancelled' && result.timings.inferenceMs === 0);
    assert.equal(test.engine.pending(), 1);
    test.current().finishRun();
    assert.equal(await codeOf(first), 'ok');
    await test.engine.stop();
  });

  it('answers everything that is left when it is stopped', async () => {
    const test = bench(ready);
    await untilReady(test);
    const work = [test.submit(), test.submit()];
    await until('one runs', () => test.current().running());
    await test.engine.stop();
    assert.deepEqual(await Promise.all(work.map(codeOf)), ['server_stopping', 'server_stopping']);
    assert.equal(await codeOf(test.submit()), 'server_stopping');
  });
});
