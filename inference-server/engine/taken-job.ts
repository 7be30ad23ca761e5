import type { RequestError } from '../../foundation/errors.ts';
import { type Job, type JobHandle, type JobResult, type JobState, PRIORITIES, type Work } from './engine.ts';

/** A job from being taken to being done. Times named `At` are of the monotonic clock, in milliseconds. */
export interface TakenJob {
  job: Job;
  model: { name: string; sha256: string };
  level: number;
  /** Of the model, when it was taken. */
  version: string | undefined;
  /** Of its result, once its input is hashed. */
  key: string | undefined;
  takenAt: number;
  /** When it was given to a process. */
  startedAt: number | undefined;
  deadlineMs: number;
  createdAt: Date;
  finishedAt: Date | undefined;
  state: JobState;
  listeners: Set<(state: JobState) => void>;
  /** It has been decided what it came to; what is left is to record it. */
  decided: boolean;
  timer: NodeJS.Timeout | undefined;
  result: Promise<JobResult>;
  resolve: (result: JobResult) => void;
}

export function takenJob(
  job: Job,
  model: TakenJob['model'],
  clock: { takenAt: number; createdAt: Date; deadlineMs: number },
): TakenJob {
  const { promise, resolve } = Promise.withResolvers<JobResult>();
  return {
    job,
    model,
    ...clock,
    level: PRIORITIES.indexOf(job.priority ?? 'normal'),
    finishedAt: undefined,
    key: undefined,
    version: undefined,
    startedAt: undefined,
    state: { state: 'queued', position: 1, startsInSeconds: 0 },
    listeners: new Set(),
    decided: false,
    timer: undefined,
    result: promise,
    resolve,
  };
}

/** Tells who watches, when there is something to tell. */
export function enterState(taken: TakenJob, state: JobState): void {
  const same = seenOf(state) === seenOf(taken.state);
  taken.state = state;
  if (!same) for (const listener of taken.listeners) listener(state);
}

function seenOf(state: JobState): string {
  return state.state === 'done' ? 'done' : JSON.stringify(state);
}

/** @param look brings the state of a waiting job up to date: its position is known only when somebody asks. */
export function handleOf(taken: TakenJob, how: { look: () => void; cancel: () => void }): JobHandle {
  const { model, createdAt, result, listeners } = taken;
  const { id, principal, route } = taken.job;
  return {
    id,
    principal,
    route,
    model,
    createdAt,
    finishedAt: () => taken.finishedAt,
    state() {
      how.look();
      return taken.state;
    },
    subscribe(listener) {
      how.look();
      listeners.add(listener);
      listener(taken.state);
      return () => listeners.delete(listener);
    },
    result,
    cancel: how.cancel,
  };
}

/** Lets go of the input of a job that is done: its handle may be kept for long. */
export function releaseInput(taken: TakenJob): void {
  const { work } = taken.job;
  const released: Work =
    work.kind === 'tensors' ? { ...work, inputs: [] } : { ...work, bytes: new Uint8Array(0) };
  taken.job = { ...taken.job, work: released };
}

/** How a job ended without a result. */
export interface Ending {
  outcome: 'failed' | 'timed_out' | 'cancelled';
  error: RequestError;
}
