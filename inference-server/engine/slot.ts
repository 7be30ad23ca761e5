import type { RequestError } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { ModelConfig } from '../config.ts';
import type { JobTimings, Output } from '../worker/protocol.ts';
import * as answers from './answers.ts';
import { type EndCause, reckonedBytes, type Resident } from './bring-up.ts';
import type { ModelMetadata, ModelState } from './engine.ts';
import { createEstimates, type Estimates } from './estimates.ts';
import { createFlights, type Flight, type Flights } from './flights.ts';
import type { Claim, MemoryGate } from './memory-gate.ts';
import type { ModelProcess } from './model-process.ts';
import type { Problem } from './problem.ts';
import type { Ending, TakenJob } from './taken-job.ts';

/** What a flight came to, for each of its jobs. */
export type Landing = { timings: JobTimings } & ({ ok: true; output: Output } | ({ ok: false } & Ending));

export interface SlotObserver {
  /** Ready after so many milliseconds; undefined when it is not ready any more. */
  loaded(model: string, ms: number | undefined): void;
  ended(model: string, cause: EndCause): void;
  changed(): void;
}

export interface SlotOptions {
  config: ModelConfig;
  executionProvider: string;
  depth: number;
  /** Of all models, in bytes. */
  budget: number;
  gate: MemoryGate;
  start: (config: ModelConfig) => ModelProcess;
  /** Of a model loaded on demand; 0 is never. */
  idleUnloadMs: number;
  recycle: { afterRuns: number; growthBytes: number };
  now: () => number;
  wallClock: () => Date;
  random: () => number;
  logger: Logger;
  observe: SlotObserver;
  /** Gives a job what it came to. */
  settle: (taken: TakenJob, landing: Landing, from: 'run' | 'shared') => void;
}

/** A version that is to take the place of the one that is served. */
export interface Replacement {
  config: ModelConfig;
  cause: 'replaced' | 'runs' | 'growth';
  settle: (failed: Problem | undefined) => void;
}

/** One name under which a version of a model is served: its queue, its process, and how they are. */
export interface Slot {
  name: string;
  options: SlotOptions;
  flights: Flights;
  estimates: Estimates;
  config: ModelConfig;
  current: Resident | undefined;
  loadingSince: number | undefined;
  loadMs: number | undefined;
  metadata: ModelMetadata | undefined;
  /** Peak bytes by digest. */
  measured: Map<string, number>;
  /** What runs, also on a process that is being replaced. */
  inAir: Map<Flight, Resident>;
  replacement: Replacement | undefined;
  /** Of a process that we ended in the middle of a run: for the one that takes its place. */
  spare: Claim | undefined;
  problem: Problem | undefined;
  /** There is no point in another start of this version. */
  hopeless: boolean;
  /** Starts in a row that came to nothing. */
  failures: number;
  retryAt: number;
  everReady: boolean;
  /** Unloaded on request, and not asked for since. */
  heldDown: boolean;
  /** Who waits for it to be ready. */
  asking: Set<(failed: Problem | undefined) => void>;
  lastUsedAt: number;
  lastUsed: Date | undefined;
  idleTimer: NodeJS.Timeout | undefined;
  stopped: boolean;
  processes: Set<ModelProcess>;
  /** Lets whoever looks after the slot see what has changed. */
  kick: () => void;
}

/** After so many starts in a row that came to nothing, waiting requests are told so. */
export const PATIENCE = 3;
/** What a first load is reckoned to take. */
const FIRST_LOAD_MS = 5_000;
const FIRST_RUN_MS = 1_000;

export function createSlot(options: SlotOptions): Slot {
  const { config, depth, now } = options;
  return {
    name: config.name,
    options,
    flights: createFlights({ depth, now }),
    estimates: createEstimates(),
    config,
    current: undefined,
    loadingSince: undefined,
    loadMs: undefined,
    metadata: undefined,
    measured: new Map(),
    inAir: new Map(),
    replacement: undefined,
    spare: undefined,
    problem: config.load === 'always' ? answers.starting(config.name) : undefined,
    hopeless: false,
    failures: 0,
    retryAt: 0,
    everReady: false,
    heldDown: false,
    asking: new Set(),
    lastUsedAt: now(),
    lastUsed: undefined,
    idleTimer: undefined,
    stopped: false,
    processes: new Set(),
    kick: () => undefined,
  };
}

export function digestOf({ files: [file] }: ModelConfig): string {
  return file?.sha256 ?? '';
}

/** Equal for models that make the same of the same input: their files, and what is done before and after. */
export function versionOf(config: ModelConfig): string {
  const pipeline = config.task === 'background-removal' ? config.pipeline : null;
  return JSON.stringify([config.task, config.files.map(({ sha256 }) => sha256), pipeline]);
}

/** What a process of this version is reckoned with: what one held at its peak, or else an estimate. */
export function bytesNeeded(slot: Slot, config: ModelConfig): number {
  return slot.measured.get(digestOf(config)) ?? reckonedBytes(config);
}

export function pinned({ config, heldDown }: Slot): boolean {
  return config.load === 'always' && !heldDown;
}

/** Whether there is a reason for its process to be there. */
export function wanted(slot: Slot): boolean {
  return !slot.stopped && (pinned(slot) || slot.asking.size > 0 || slot.flights.waiting().length > 0);
}

/** Until the model is ready, as far as can be told. */
function loadingLeftMs(slot: Slot): number {
  if (slot.current !== undefined) return 0;
  const { loadMs = FIRST_LOAD_MS, loadingSince, options } = slot;
  return loadingSince === undefined ? loadMs : Math.max(0, loadMs - (options.now() - loadingSince));
}

export function usualRunMs(slot: Slot): number {
  return slot.estimates.usual() ?? FIRST_RUN_MS;
}

/** Until a job at this position of the queue (0 is the next) begins, from what was measured. */
function startsInMs(slot: Slot, position: number): number {
  const { current, options } = slot;
  const usual = usualRunMs(slot);
  const startedAt = current?.flight?.startedAt;
  const running = startedAt === undefined ? 0 : Math.max(0, usual - (options.now() - startedAt));
  return loadingLeftMs(slot) + running + position * usual;
}

export function stateOf(slot: Slot): ModelState {
  const { config, current, flights, problem } = slot;
  return {
    name: slot.name,
    sha256: digestOf(config),
    task: config.task,
    state: phaseOf(slot),
    problem,
    load: config.load,
    executionProvider: slot.options.executionProvider,
    residentBytes: current?.residentBytes ?? 0,
    reckonedBytes: bytesNeeded(slot, config),
    waiting: flights.waiting().length,
    running: slot.inAir.size,
    loadMs: slot.loadMs,
    lastUsedAt: slot.lastUsed,
  };
}

function phaseOf(slot: Slot): ModelState['state'] {
  if (slot.current !== undefined) return slot.current.leaving === undefined ? 'ready' : 'draining';
  if (slot.hopeless || slot.failures >= PATIENCE) return 'failed';
  return slot.loadingSince !== undefined || wanted(slot) ? 'loading' : 'unloaded';
}

/** Why no job of this principal can be taken now. */
export function refusalOf(slot: Slot, principal: string): RequestError | undefined {
  if (slot.stopped) return answers.stopping();
  const unready = unreadiness(slot);
  if (unready !== undefined) return unready;
  const refusal = slot.flights.admit(principal);
  if (refusal === undefined) return undefined;
  const waiting = slot.flights.waiting();
  if (refusal === 'everyone') return answers.queueFull(slot.name, waiting.length, startsInMs(slot, 1));
  const own = waiting.filter(({ job }) => job.principal === principal).length;
  // Its next place is free when one of its own has begun, and the turn comes to it every so often.
  const others = new Set(waiting.map(({ job }) => job.principal)).size;
  return answers.tooManyWaiting(slot.name, own, startsInMs(slot, others));
}

function unreadiness(slot: Slot): RequestError | undefined {
  if (slot.current !== undefined || slot.problem === undefined) return undefined;
  const { name, problem, options, failures } = slot;
  const cooling = Math.max(0, slot.retryAt - options.now());
  // Nothing would try again by itself: the next job may.
  if (failures >= PATIENCE && !pinned(slot) && cooling === 0 && !slot.hopeless) return undefined;
  if (slot.hopeless || failures >= PATIENCE || (pinned(slot) && !slot.everReady))
    return answers.notReady(name, problem, cooling + loadingLeftMs(slot));
  return undefined;
}

/** Brings the states of waiting jobs up to date, of those that are watched or all. */
export function describeWaiting(slot: Slot, onlyWatched: boolean): Map<TakenJob, TakenJob['state']> {
  const states = new Map<TakenJob, TakenJob['state']>();
  const waiting = slot.flights.waiting();
  if (onlyWatched && waiting.every(({ listeners }) => listeners.size === 0)) return states;
  const state = slot.current === undefined ? 'loading' : 'queued';
  const order = slot.flights.order();
  for (const [index, flight] of order.entries())
    for (const taken of flight.jobs)
      states.set(taken, {
        state,
        position: index + 1,
        startsInSeconds: Math.ceil(startsInMs(slot, index) / 1000),
      });
  return states;
}
