import type { RequestError } from '../../foundation/errors.ts';
import type { ModelConfig } from '../config.ts';
import * as answers from './answers.ts';
import type { ModelMetadata, ModelState } from './engine.ts';
import type { Problem } from './problem.ts';
import {
  createSlot,
  describeWaiting,
  pinned,
  refusalOf,
  type Slot,
  type SlotOptions,
  stateOf,
  usualRunMs,
} from './slot.ts';
import { refuseWaiting, tend } from './slot-life.ts';
import { leave, pump, tellWaiting } from './slot-runs.ts';
import { enterState, type TakenJob } from './taken-job.ts';

/** One name under which a version of a model is served: its queue, its process, and what is done to them. */
export interface ModelSlot {
  name: string;
  config(): ModelConfig;
  state(): ModelState;
  /** Why it cannot take work, while it should. */
  problem(): Problem | undefined;
  /** Why no job of this principal can be taken now. */
  refusal(principal: string): RequestError | undefined;
  /** Counts a job as waiting whose place is decided later. */
  reserve(taken: TakenJob): void;
  enter(taken: TakenJob, key: string | undefined): void;
  /** Gives a job up: its place in the queue, or its run. Says whether it ran, and for how long. */
  leave(taken: TakenJob, cause: 'cancelled' | 'deadline'): { running: boolean; ranMs: number };
  /** Brings the state of a waiting job up to date. */
  look(taken: TakenJob): void;
  usualRunMs(): number;
  /** Resolves when it is ready, or with why it is not. */
  load(): Promise<Problem | undefined>;
  unload(): Promise<void>;
  /** Resolves when the new version serves, or with why it does not. */
  replace(config: ModelConfig): Promise<Problem | undefined>;
  metadata(): ModelMetadata | undefined;
  /** For the memory gate. */
  holding(): { pinned: boolean; busy: boolean; lastUsedAt: number };
  evict(): void;
  /** Ends its processes at once, and gives what is left of its jobs their end. */
  stop(): Promise<void>;
}

/** A slot at work: it loads what is always loaded at once. */
export function createModelSlot(options: SlotOptions): ModelSlot {
  const slot = createSlot(options);
  const { kick, rest } = tend(slot);
  slot.kick = kick;
  kick();

  async function load(): Promise<Problem | undefined> {
    slot.heldDown = false;
    if (slot.current !== undefined && slot.current.leaving === undefined) return undefined;
    slot.hopeless = false;
    slot.failures = 0;
    slot.retryAt = 0;
    return new Promise((resolve) => {
      slot.asking.add(resolve);
      kick();
    });
  }

  return {
    name: slot.name,
    config: () => slot.config,
    state: () => stateOf(slot),
    problem: () => (pinned(slot) ? slot.problem : undefined),
    refusal: (principal) => refusalOf(slot, principal),
    reserve(taken) {
      slot.flights.reserve(taken);
    },
    enter(taken, key) {
      if (slot.flights.enter(taken, key).startedAt !== undefined) {
        taken.startedAt = slot.options.now();
        enterState(taken, { state: 'running' });
      }
      pump(slot);
      tellWaiting(slot);
      kick();
    },
    leave: (taken, cause) => leave(slot, taken, cause),
    look(taken) {
      const state = describeWaiting(slot, false).get(taken);
      if (state !== undefined) enterState(taken, state);
    },
    usualRunMs: () => usualRunMs(slot),
    load,
    async unload() {
      slot.heldDown = true;
      if (slot.config.load === 'always') slot.problem = answers.unloadedByHand(slot.name);
      const { current } = slot;
      if (current === undefined) return;
      current.leaving ??= 'requested';
      kick();
      await current.process.exited;
    },
    async replace(config) {
      return new Promise((settle) => {
        slot.replacement?.settle(overtaken(slot));
        slot.replacement = { config, cause: 'replaced', settle };
        kick();
      });
    },
    metadata: () => slot.metadata,
    holding: () => ({
      pinned: pinned(slot),
      busy: slot.inAir.size > 0 || slot.loadingSince !== undefined || slot.replacement !== undefined,
      lastUsedAt: slot.lastUsedAt,
    }),
    evict() {
      const { current } = slot;
      if (current === undefined || current.leaving !== undefined) return;
      current.leaving = 'evicted';
      current.claim.leave();
      kick();
    },
    async stop() {
      slot.stopped = true;
      clearTimeout(slot.idleTimer);
      slot.problem = { code: 'server_stopping', message: answers.stopping().message };
      refuseWaiting(slot, {
        ok: false,
        outcome: 'failed',
        error: answers.stopping(),
        timings: { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 },
      });
      for (const answer of slot.asking) answer(slot.problem);
      slot.asking.clear();
      slot.replacement?.settle(slot.problem);
      const processes = [...slot.processes];
      for (const process of processes) process.kill();
      kick();
      await Promise.all(processes.map(async ({ exited }) => exited));
      await rest();
    },
  };
}

function overtaken(slot: Slot): Problem {
  return { code: 'model_replaced', message: `${slot.name} was given yet another version.` };
}
