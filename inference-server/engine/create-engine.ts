import type { Logger } from '../../foundation/logger.ts';
import type { ModelConfig } from '../config.ts';
import * as answers from './answers.ts';
import type { EndCause } from './bring-up.ts';
import type { Engine, EngineEvent, Job, JobHandle, JobResult, Output } from './engine.ts';
import { bytesOfOutput, bytesOfWork, fingerprintOf } from './fingerprint.ts';
import { createKeptJobs } from './kept-jobs.ts';
import { createMemoryGate } from './memory-gate.ts';
import type { ModelProcess } from './model-process.ts';
import { createModelSlot, type ModelSlot } from './model-slot.ts';
import { createResultCache, type ResultCache } from './result-cache.ts';
import { digestOf, type Landing, versionOf } from './slot.ts';
import { type Ending, enterState, handleOf, releaseInput, takenJob, type TakenJob } from './taken-job.ts';

/** What is seen of the engine from outside. Nothing here may throw. */
export interface EngineObserver {
  done(taken: { job: Job; model: { name: string; sha256: string } }, result: JobResult): void;
  loaded(model: string, ms: number | undefined): void;
  ended(model: string, cause: EndCause): void;
}

export interface EngineOptions {
  models: ModelConfig[];
  tenant: string;
  executionProvider: string;
  queue: { depth: number; deadlineMs: number; maxBytes: number };
  /** Of all model processes together, in bytes. */
  memoryBudget: number;
  idleUnloadMs: number;
  recycle: { afterRuns: number; growthBytes: number };
  cache: { maxBytes: number; ttlMs: number } | undefined;
  kept: { maxJobs: number; maxBytes: number; keepMs: number };
  start: (config: ModelConfig) => ModelProcess;
  usage: {
    /** Resolves once what the job consumed is on disk. */
    record: (
      taken: { job: Job; model: { name: string; sha256: string }; createdAt: Date },
      result: JobResult,
      finishedAt: Date,
    ) => Promise<void>;
    full: () => boolean;
  };
  /** Monotonic, in milliseconds. */
  now: () => number;
  wallClock: () => Date;
  random: () => number;
  logger: Logger;
  observe: EngineObserver;
}

/** How long a model waits for memory before busy ones are asked to go after what they do. */
const MEMORY_PATIENCE_MS = 5_000;
const NO_TIMINGS = { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 };

export function createEngine(options: EngineOptions): Engine {
  const { queue, executionProvider, now, wallClock, observe, usage } = options;
  const slots = new Map<string, ModelSlot>();
  const active = new Map<string, TakenJob>();
  const kept = createKeptJobs({ ...options.kept, now });
  const cache: ResultCache<Output> | undefined =
    options.cache === undefined ? undefined : createResultCache({ ...options.cache, now });
  const listeners = new Set<(event: EngineEvent) => void>();
  const settling = new Set<Promise<void>>();
  let heldBytes = 0;
  let stopping = false;

  const gate = createMemoryGate({
    budget: options.memoryBudget,
    patienceMs: MEMORY_PATIENCE_MS,
    now,
    stateOf: (name) => slots.get(name)?.holding() ?? { pinned: false, busy: true, lastUsedAt: 0 },
    evict: (name) => slots.get(name)?.evict(),
  });

  function addSlot(config: ModelConfig): void {
    const slot = createModelSlot({
      config,
      executionProvider,
      depth: queue.depth,
      budget: options.memoryBudget,
      gate,
      start: options.start,
      idleUnloadMs: options.idleUnloadMs,
      recycle: options.recycle,
      now,
      wallClock,
      random: options.random,
      logger: options.logger,
      observe: {
        loaded(model, ms) {
          observe.loaded(model, ms);
        },
        ended(model, cause) {
          observe.ended(model, cause);
        },
        changed() {
          if (listeners.size === 0) return;
          const event: EngineEvent = { type: 'model', model: slot.state() };
          for (const listener of listeners) listener(event);
        },
      },
      settle: (taken, landing, from) => {
        conclude(taken, landing, from);
      },
    });
    slots.set(config.name, slot);
  }

  function slotOf(name: string | undefined): ModelSlot {
    const [first] = slots.values();
    const slot = name === undefined ? first : slots.get(name);
    if (slot === undefined) throw answers.modelUnknown(name, [...slots.keys()]);
    return slot;
  }

  /** @throws RequestError why the job is not taken. */
  function admit(job: Job): ModelSlot {
    if (stopping) throw answers.stopping();
    if (usage.full()) throw answers.outboxFull();
    const slot = slotOf(job.model);
    if (job.work.kind === 'background-removal' && slot.config().task !== job.work.kind)
      throw answers.taskUnsupported(slot.name);
    if (active.has(job.id) || kept.has(job.id)) throw answers.jobExists(job.id);
    const refusal = slot.refusal(job.principal);
    if (refusal !== undefined) throw refusal;
    if (heldBytes + bytesOfWork(job.work) > queue.maxBytes && heldBytes > 0)
      throw answers.queueFullOfBytes(queue.maxBytes, slot.usualRunMs());
    return slot;
  }

  function take(job: Job): { taken: TakenJob; slot: ModelSlot } {
    const slot = admit(job);
    const model = { name: slot.name, sha256: digestOf(slot.config()) };
    const deadlineMs = Math.min(job.deadlineMs ?? queue.deadlineMs, queue.deadlineMs);
    const taken = takenJob(job, model, { takenAt: now(), createdAt: wallClock(), deadlineMs });
    active.set(job.id, taken);
    heldBytes += bytesOfWork(job.work);
    taken.timer = setTimeout(() => {
      overdue(slot, taken);
    }, deadlineMs);
    slot.reserve(taken);
    if (cache === undefined) slot.enter(taken, undefined);
    else void enterByKey(slot, taken, cache);
    return { taken, slot };
  }

  async function enterByKey(slot: ModelSlot, taken: TakenJob, results: ResultCache<Output>): Promise<void> {
    taken.version = versionOf(slot.config());
    const key = await fingerprintOf(options.tenant, taken.version, taken.job.work);
    if (taken.decided) return;
    taken.key = key;
    const output = results.get(key);
    if (output === undefined) slot.enter(taken, key);
    else {
      slot.leave(taken, 'cancelled');
      conclude(taken, { ok: true, output, timings: NO_TIMINGS }, 'hit');
    }
  }

  function giveUp(slot: ModelSlot, taken: TakenJob, ending: Ending, cause: 'cancelled' | 'deadline'): void {
    if (taken.decided) return;
    const { ranMs } = slot.leave(taken, cause);
    conclude(taken, { ok: false, ...ending, timings: { ...NO_TIMINGS, inferenceMs: ranMs } }, 'run');
  }

  function overdue(slot: ModelSlot, taken: TakenJob): void {
    const { deadlineMs } = taken;
    const error =
      taken.state.state === 'running' ? answers.killed(deadlineMs) : answers.waitedTooLong(deadlineMs);
    giveUp(slot, taken, { outcome: 'timed_out', error }, 'deadline');
  }

  function conclude(taken: TakenJob, landing: Landing, from: JobResult['from']): void {
    if (taken.decided) return;
    taken.decided = true;
    clearTimeout(taken.timer);
    const queueMs = ((from === 'run' ? taken.startedAt : undefined) ?? now()) - taken.takenAt;
    const { model, job } = taken;
    const common = { model, executionProvider, from, timings: { queueMs, ...landing.timings } };
    const result: JobResult = landing.ok
      ? { ...common, ok: true, output: landing.output }
      : { ...common, ok: false, outcome: landing.outcome, error: landing.error };
    if (result.ok && from === 'run' && taken.key !== undefined)
      cache?.set(taken.key, result.output, bytesOfOutput(result.output));
    heldBytes -= bytesOfWork(job.work);
    const settled = record(taken, result);
    settling.add(settled);
    void settled.finally(() => settling.delete(settled));
  }

  async function record(taken: TakenJob, result: JobResult): Promise<void> {
    const finishedAt = wallClock();
    let told = result;
    try {
      await usage.record(taken, result, finishedAt);
    } catch (error) {
      const { model, timings, from } = result;
      const notRecorded = answers.notRecorded(error);
      told = { model, executionProvider, timings, from, ok: false, outcome: 'failed', error: notRecorded };
    }
    const { id } = taken.job;
    taken.finishedAt = finishedAt;
    active.delete(id);
    observe.done(taken, told);
    releaseInput(taken);
    kept.done(id, told.ok ? bytesOfOutput(told.output) : 0);
    enterState(taken, { state: 'done', result: told });
    taken.listeners.clear();
    taken.resolve(told);
  }

  function cancelling(slot: ModelSlot, taken: TakenJob, error: () => Ending['error']): () => void {
    return () => {
      giveUp(slot, taken, { outcome: 'cancelled', error: error() }, 'cancelled');
    };
  }

  for (const config of options.models) addSlot(config);

  return {
    async run(job, { signal } = {}) {
      const { taken, slot } = take(job);
      const cancel = cancelling(slot, taken, answers.disconnected);
      signal?.addEventListener('abort', cancel, { once: true });
      if (signal?.aborted === true) cancel();
      const result = await taken.result;
      signal?.removeEventListener('abort', cancel);
      return result;
    },
    submit(job) {
      const { taken, slot } = take(job);
      const handle: JobHandle = handleOf(taken, {
        look: () => {
          slot.look(taken);
        },
        cancel: cancelling(slot, taken, answers.cancelled),
      });
      kept.add(handle);
      return handle;
    },
    job: (id, principal) => kept.get(id, principal),
    jobs: (principal) => kept.of(principal),
    models: () => [...slots.values()].map((slot) => slot.state()),
    model: (name) => slotOf(name).state(),
    async metadata(name) {
      const slot = slotOf(name);
      if (slot.metadata() === undefined) await loaded(slot);
      const metadata = slot.metadata();
      if (metadata === undefined) throw answers.stopping();
      return metadata;
    },
    async load(name) {
      await loaded(slotOf(name));
    },
    async unload(name) {
      await slotOf(name).unload();
    },
    async replaceModel(config) {
      const slot = slotOf(config.name);
      const problem = await slot.replace(config);
      if (problem !== undefined) throw answers.notReplaced(slot.name, problem.message);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    cacheBytes: () => cache?.bytes() ?? 0,
    problems: () => [...slots.values()].map((slot) => slot.problem()).filter((found) => found !== undefined),
    async stop(graceMs) {
      stopping = true;
      await underWay([...active.values()], graceMs);
      gate.close();
      await Promise.all([...slots.values()].map(async (slot) => slot.stop()));
      await Promise.all([...active.values()].map(async ({ result }) => result));
      await Promise.all(settling);
    },
  };
}

async function loaded(slot: ModelSlot): Promise<void> {
  const problem = await slot.load();
  if (problem !== undefined) throw answers.notReady(slot.name, problem, 0);
}

/** Waits for these jobs, and no longer than the grace. */
async function underWay(jobs: TakenJob[], graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const grace = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs);
  });
  await Promise.race([grace, Promise.all(jobs.map(async ({ result }) => result))]);
  clearTimeout(timer);
}
