import type { RequestError } from '../../foundation/errors.ts';
import type { ModelConfig } from '../config.ts';
import type { Datatype, JobOptions } from '../worker/protocol.ts';
import type { Problem } from './problem.ts';

/**
 * The engine as the surfaces use it: models in, jobs in, results and states out. It keeps a process for each resident
 * model, decides whose turn it is, and records what each job consumed before its result is given.
 */

export type { Datatype };

/**
 * A tensor as bytes: row-major, little-endian, the elements one after another, BOOL as one byte of 0 or 1. BYTES as in
 * Open Inference Protocol's binary data: each element is preceded by its length in four bytes; it must be UTF-8.
 */
export interface NamedTensor {
  name: string;
  datatype: Datatype;
  shape: number[];
  data: Uint8Array;
}

/** What a graph takes or gives; -1 is a size that may vary. */
export interface TensorSpec {
  name: string;
  datatype: Datatype;
  shape: number[];
}

/** What is to be done, as data. */
export type Work =
  | {
      kind: 'background-removal';
      /** The encoded picture. */
      bytes: Uint8Array;
      options: JobOptions;
      /** Width times height of the picture: what the job is charged for. */
      pixels: number;
    }
  | {
      kind: 'tensors';
      inputs: NamedTensor[];
      /** Which outputs to give; all when undefined. */
      outputs?: string[];
    };

/** From the most to the least urgent. Who waits long is moved up, so that no class starves. */
export const PRIORITIES = ['high', 'normal', 'low'] as const;
export type Priority = (typeof PRIORITIES)[number];

export interface Job {
  /** The request's id, a UUIDv7: also the id of its usage event. */
  id: string;
  /** Undefined: the first model of the configuration. */
  model: string | undefined;
  /** Whose turn it is goes round between principals. Only this one sees, cancels and fetches the job by its id. */
  principal: string;
  /** The route as usage events name it. */
  route: string;
  /** `normal` when undefined. */
  priority?: Priority;
  /** From taking the job to its result; never more than the configuration allows, which is also the default. */
  deadlineMs?: number;
  work: Work;
  /** W3C Trace Context of the caller. */
  traceparent?: string;
}

export type Output =
  { kind: 'background-removal'; bytes: Uint8Array } | { kind: 'tensors'; outputs: NamedTensor[] };

/** In milliseconds. */
export interface Timings {
  /** From taking the job to giving it to a model process, loading included. */
  queueMs: number;
  preprocessMs: number;
  inferenceMs: number;
  postprocessMs: number;
}

/** What a job came to. A job that failed has consumed as well. */
export type JobResult = {
  model: { name: string; sha256: string };
  executionProvider: string;
  timings: Timings;
  /** `hit`: from the cache. `shared`: from the run of an equal job that was under way. */
  from: 'run' | 'hit' | 'shared';
} & (
  | { ok: true; output: Output }
  | { ok: false; outcome: 'failed' | 'timed_out' | 'cancelled'; error: RequestError }
);

export type JobState =
  /** `position` is 1 for the next; `startsInSeconds` estimates when it begins. */
  | { state: 'queued'; position: number; startsInSeconds: number }
  /** It waits for its model to be loaded. */
  | { state: 'loading'; position: number; startsInSeconds: number }
  | { state: 'running' }
  /** Recorded, and its result can be had. */
  | { state: 'done'; result: JobResult };

/** Times are those of the engine's wall clock. */
export interface JobHandle {
  id: string;
  principal: string;
  route: string;
  model: { name: string; sha256: string };
  createdAt: Date;
  /** Once it is done. */
  finishedAt(): Date | undefined;
  state(): JobState;
  /** Calls at once with the state as it is, and at each change; the last call is with `done`. Gives how to stop. */
  subscribe(listener: (state: JobState) => void): () => void;
  /** Never rejects. Resolves once the job's usage is on disk. */
  result: Promise<JobResult>;
  /**
   * Takes a waiting job out of the queue. A running one is given up at once: its run is ended by ending its process,
   * unless it is about to end by itself before a new process could be ready, or another job shares it. No effect on a
   * job that is done.
   */
  cancel(): void;
}

export interface ModelState {
  name: string;
  /** Of its file: the version that is served, or is being loaded. */
  sha256: string;
  task: 'background-removal' | 'tensors';
  state: 'unloaded' | 'loading' | 'ready' | 'draining' | 'failed';
  /** Why it is `failed`, or cannot take work now. */
  problem: Problem | undefined;
  load: 'always' | 'on-demand';
  executionProvider: string;
  /** Of its process or processes now; 0 when there is none. */
  residentBytes: number;
  /** What it is reckoned with against the budget. */
  reckonedBytes: number;
  waiting: number;
  running: number;
  loadMs: number | undefined;
  lastUsedAt: Date | undefined;
}

export interface ModelMetadata {
  inputs: TensorSpec[];
  outputs: TensorSpec[];
}

export type EngineEvent = { type: 'model'; model: ModelState };

export interface Engine {
  /**
   * Takes a job and gives what it came to, once recorded. An abort of the signal cancels it (the result is then
   * `cancelled`).
   * @throws RequestError when the job is not taken, and so is not recorded: `model_unknown` 422, `task_unsupported`
   * 422, `model_not_ready` 503, `model_too_large` 503, `too_many_waiting` 429, `queue_full` 503, `server_stopping`
   * 503, `usage_outbox_full` 503, `job_exists` 409; those that may pass carry Retry-After, from measured times.
   */
  run(job: Job, options?: { signal?: AbortSignal }): Promise<JobResult>;
  /** Like `run`, and keeps the job and its result for a bounded time, to be asked for by id. @throws as `run`. */
  submit(job: Job): JobHandle;
  /** A job of this principal that was submitted and is still kept. */
  job(id: string, principal: string): JobHandle | undefined;
  /** Of this principal, newest first. */
  jobs(principal: string): JobHandle[];
  models(): ModelState[];
  /** @param name undefined is the first model. @throws RequestError `model_unknown`. */
  model(name: string | undefined): ModelState;
  /**
   * What its graph takes and gives; loads it when it was never loaded.
   * @throws RequestError `model_unknown`, `model_not_ready`, `model_too_large`.
   */
  metadata(name: string): Promise<ModelMetadata>;
  /** Resolves when it is ready. @throws RequestError `model_unknown`, `model_not_ready`, `model_too_large`. */
  load(name: string): Promise<void>;
  /**
   * Finishes its running job and ends its process. What waits is loaded for again. It stays unloaded until it is asked
   * for, also when its configuration says `always`. @throws RequestError `model_unknown`.
   */
  unload(name: string): Promise<void>;
  /**
   * Serves another version of a model under its name, without a job failing: the new process is warm before the old one
   * goes, when memory allows; else one after the other, while jobs wait. If the new version cannot be served, the old
   * one stays. Resolves when the new one serves, or at once when the model is not loaded.
   * @throws RequestError `model_unknown`, `model_not_replaced` 409 with the reason.
   */
  replaceModel(model: ModelConfig): Promise<void>;
  /** Of models only; jobs are watched by their handles. Gives how to stop. */
  subscribe(listener: (event: EngineEvent) => void): () => void;
  /** Held by the result cache. */
  cacheBytes(): number;
  /** What keeps the server from taking work: of models that are always loaded, and its own. */
  problems(): Problem[];
  /** Takes no more jobs, gives what is under way up to `graceMs`, then tells the rest to come again. */
  stop(graceMs: number): Promise<void>;
}
