import { RequestError } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { JobOptions, JobTimings } from '../worker/protocol.ts';
import * as answers from './answers.ts';
import type { ModelProcess, RunOutcome } from './model-process.ts';
import type { Problem } from './problem.ts';
import { createQueue } from './queue.ts';

/** What a job consumed and how it ended: a job that failed has consumed as well. */
export type JobResult = { queueMs: number; timings: JobTimings } & (
  | { ok: true; bytes: Uint8Array }
  | { ok: false; outcome: 'failed' | 'timed_out' | 'cancelled'; error: RequestError }
);

export type RestartCause = 'deadline' | 'died' | 'load_failed';

export interface ModelEngine {
  name: string;
  /** Never rejects once the job is taken. @throws RequestError `queue_full`, `model_not_ready`: no job was made. */
  submit(bytes: Uint8Array, options: JobOptions, signal: AbortSignal): Promise<JobResult>;
  /** Why no work can be taken; undefined when it can. */
  problem(): Problem | undefined;
  /** Jobs waiting or running. */
  pending(): number;
  stop(): Promise<void>;
}

export interface ModelEngineOptions {
  name: string;
  depth: number;
  /** From the moment a job is taken to its answer. */
  deadlineMs: number;
  start: () => ModelProcess;
  now: () => number;
  random: () => number;
  logger: Logger;
  observe: { loaded: (ms: number | undefined) => void; restarted: (cause: RestartCause) => void };
}

interface Job {
  bytes: Uint8Array;
  options: JobOptions;
  takenAt: number;
  settle: (result: JobResult) => void;
}

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 30_000;
/** After so many starts in a row that came to nothing, waiting requests are told so. */
const PATIENCE = 3;
const NO_TIMINGS: JobTimings = { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 };

/** Keeps one model process alive and feeds it from a bounded queue, one job at a time. */
export function createModelEngine(options: ModelEngineOptions): ModelEngine {
  const { name, depth, deadlineMs, start, now, random, logger, observe } = options;
  const queue = createQueue<Job>(depth);
  let process: ModelProcess | undefined;
  let running = false;
  let everReady = false;
  let stopped = false;
  let failures = 0;
  let problem: Problem | undefined = answers.starting(name);
  /** What a run usually takes, so that none is begun that its deadline would kill. */
  let usualMs = 0;
  let wake: () => void = () => undefined;
  const isStopped = (): boolean => stopped;

  function refuseWaiting(error: RequestError): void {
    for (const job of queue.drain())
      job.settle({ ok: false, outcome: 'failed', error, queueMs: now() - job.takenAt, timings: NO_TIMINGS });
  }

  async function pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        if (!stopped) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** The next job, or undefined once the process has ended or the engine is stopped. */
  async function nextJob(ended: () => boolean): Promise<Job | undefined> {
    for (;;) {
      // Lets an exit that is already known be seen before a job is given away.
      await Promise.resolve();
      if (ended() || isStopped()) return undefined;
      const job = queue.shift();
      if (job !== undefined) return job;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  /** What to answer when the process ended in the middle of a job. */
  function failureOf(cause: string, late: boolean): { outcome: 'failed' | 'timed_out'; error: RequestError } {
    if (late) return { outcome: 'timed_out', error: answers.killed(deadlineMs) };
    return { outcome: 'failed', error: stopped ? answers.stopping() : answers.died(cause) };
  }

  /** Runs one job; says why the process has to be replaced, if it has. */
  async function work(current: ModelProcess, job: Job): Promise<RestartCause | undefined> {
    const begun = now();
    const queueMs = begun - job.takenAt;
    const left = deadlineMs - queueMs;
    if (left < Math.min(usualMs, deadlineMs / 2)) {
      const error = answers.tooLateToBegin(deadlineMs);
      job.settle({ ok: false, outcome: 'timed_out', error, queueMs, timings: NO_TIMINGS });
      return undefined;
    }
    const deadline = startDeadline(left, () => {
      current.kill();
    });
    running = true;
    const outcome = await current.run(job.bytes, job.options);
    running = false;
    const late = deadline.stop();
    const elapsed = now() - begun;
    if (outcome.type !== 'died') {
      if (outcome.type === 'done') usualMs = usualMs === 0 ? elapsed : usualMs * 0.8 + elapsed * 0.2;
      failures = 0;
      job.settle({ queueMs, ...answerOf(outcome) });
      return undefined;
    }
    logger.warn({ model: name, late, cause: outcome.cause }, 'a model process ended in the middle of a job');
    const timings = { ...NO_TIMINGS, inferenceMs: elapsed };
    job.settle({ ok: false, queueMs, timings, ...failureOf(outcome.cause, late) });
    return late ? 'deadline' : 'died';
  }

  /** Until the process has to be replaced, or the engine is stopped. */
  async function serve(current: ModelProcess): Promise<RestartCause> {
    let ended = false;
    void current.exited.then(() => {
      ended = true;
      wake();
    });
    for (;;) {
      const job = await nextJob(() => ended);
      if (job === undefined) return 'died';
      const cause = await work(current, job);
      if (cause !== undefined) return cause;
    }
  }

  async function serveUntilReplaced(current: ModelProcess, loadMs: number): Promise<void> {
    logger.info({ model: name, pid: current.pid, loadMs: Math.round(loadMs) }, 'the model is ready');
    everReady = true;
    problem = undefined;
    observe.loaded(loadMs);
    const cause = await serve(current);
    observe.loaded(undefined);
    if (stopped) return;
    problem = answers.restarting(name);
    observe.restarted(cause);
    // A deadline says something of the job, not of the process.
    if (cause === 'died') failures++;
  }

  /** Loads the model and serves it; false when there is no point in another start. */
  async function live(current: ModelProcess): Promise<boolean> {
    const outcome = await current.loaded;
    if (outcome.type === 'ready') {
      await serveUntilReplaced(current, outcome.loadMs);
      return true;
    }
    if (stopped) return false;
    failures++;
    const permanent = outcome.type === 'unusable' && outcome.permanent;
    problem =
      outcome.type === 'died'
        ? answers.diedWhileLoading(name, outcome.cause)
        : { code: outcome.code, message: outcome.message };
    logger.error({ model: name, code: problem.code, failures }, problem.message);
    observe.restarted('load_failed');
    if (permanent || failures >= PATIENCE) refuseWaiting(answers.notReady(name, problem));
    return !permanent;
  }

  async function supervise(): Promise<void> {
    while (!isStopped()) {
      process = start();
      const again = await live(process);
      process.kill();
      await process.exited;
      if (!again || isStopped()) return;
      await pause(backoff(failures, random));
    }
  }
  const supervision = supervise();

  return {
    name,
    problem: () => problem,
    pending: () => queue.size() + (running ? 1 : 0),
    async submit(bytes, jobOptions, signal) {
      if (stopped) throw answers.stopping();
      if (problem !== undefined && (!everReady || failures >= PATIENCE))
        throw answers.notReady(name, problem);
      return new Promise<JobResult>((resolve) => {
        const job: Job = { bytes, options: jobOptions, takenAt: now(), settle };
        const giveUp = (outcome: 'timed_out' | 'cancelled', error: RequestError): void => {
          if (queue.remove(job))
            settle({ ok: false, outcome, error, queueMs: now() - job.takenAt, timings: NO_TIMINGS });
        };
        const timer = setTimeout(() => {
          giveUp('timed_out', answers.waitedTooLong(deadlineMs));
        }, deadlineMs);
        const cancel = (): void => {
          giveUp('cancelled', answers.cancelled());
        };
        signal.addEventListener('abort', cancel, { once: true });
        function settle(result: JobResult): void {
          clearTimeout(timer);
          signal.removeEventListener('abort', cancel);
          resolve(result);
        }
        if (!queue.push(job)) {
          clearTimeout(timer);
          signal.removeEventListener('abort', cancel);
          throw answers.queueFull(name, depth, Math.ceil(Math.max(1, (usualMs * depth) / 1000)));
        }
        if (signal.aborted) cancel();
        wake();
      });
    },
    async stop() {
      stopped = true;
      problem = { code: 'server_stopping', message: answers.stopping().message };
      refuseWaiting(answers.stopping());
      process?.kill();
      wake();
      await supervision;
    },
  };
}

/** Acts once when the time is over; `stop` says whether it was. */
function startDeadline(ms: number, act: () => void): { stop: () => boolean } {
  let over = false;
  const timer = setTimeout(() => {
    over = true;
    act();
  }, ms);
  return {
    stop() {
      clearTimeout(timer);
      return over;
    },
  };
}

function backoff(failures: number, random: () => number): number {
  if (failures === 0) return 0;
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)) * (0.5 + random() / 2);
}

type Answered = Exclude<RunOutcome, { type: 'died' }>;

function answerOf(
  outcome: Answered,
):
  | { ok: true; bytes: Uint8Array; timings: JobTimings }
  | { ok: false; outcome: 'failed'; error: RequestError; timings: JobTimings } {
  const { timings } = outcome;
  if (outcome.type === 'done') return { ok: true, bytes: outcome.bytes, timings };
  const error = new RequestError(outcome.status, outcome.code, outcome.message);
  return { ok: false, outcome: 'failed', error, timings };
}
