import type { ModelConfig } from '../config.ts';
import * as answers from './answers.ts';
import { bringUp, type BringUp, type EndCause, type Resident } from './bring-up.ts';
import type { Claim } from './memory-gate.ts';
import type { Problem } from './problem.ts';
import {
  bytesNeeded,
  digestOf,
  type Landing,
  PATIENCE,
  type Replacement,
  type Slot,
  wanted,
} from './slot.ts';
import { pump, tellWaiting } from './slot-runs.ts';

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 30_000;
const NO_ROOM_RETRY_MS = 5_000;
const NO_TIMINGS = { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 };

/**
 * Looks after a slot: loads what is wanted, replaces what is to be replaced, ends what is to go. One step at a time;
 * jobs run beside it. `kick` lets it see what has changed; `rest` resolves when nothing is left to do.
 */
export function tend(slot: Slot): { kick: () => void; rest: () => Promise<void> } {
  let tending: Promise<void> | undefined;
  let wake: () => void = () => undefined;

  async function sleepUntil(time: () => number): Promise<void> {
    for (;;) {
      const ms = time() - slot.options.now();
      if (ms <= 0 || !wanted(slot)) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async function work(): Promise<void> {
    for (;;) {
      const step = nextStep(slot);
      slot.options.observe.changed();
      if (step === undefined) return;
      if (step === 'retire') await retire(slot);
      else if (step === 'swap') await swap(slot);
      else {
        await sleepUntil(() => slot.retryAt);
        if (wanted(slot)) await load(slot);
      }
    }
  }

  const kick = (): void => {
    wake();
    // Not begun within the call: what a step does may call again.
    tending ??= Promise.resolve()
      .then(work)
      .finally(() => {
        tending = undefined;
        if (nextStep(slot) !== undefined) kick();
      });
  };
  return { kick, rest: async () => tending };
}

function nextStep(slot: Slot): 'retire' | 'swap' | 'load' | undefined {
  if (slot.stopped) return undefined;
  if (slot.current !== undefined) {
    if (slot.current.leaving !== undefined) return 'retire';
    return slot.replacement === undefined ? undefined : 'swap';
  }
  if (slot.replacement !== undefined) applyReplacement(slot, slot.replacement);
  return wanted(slot) && !slot.hopeless ? 'load' : undefined;
}

/** With nothing loaded there is nothing to be careful about. */
function applyReplacement(slot: Slot, { config, settle }: Replacement): void {
  slot.replacement = undefined;
  slot.config = config;
  slot.hopeless = false;
  slot.failures = 0;
  slot.retryAt = 0;
  settle(undefined);
}

async function retire(slot: Slot): Promise<void> {
  const { current } = slot;
  if (current === undefined) return;
  await current.landed;
  if (slot.current !== current) return;
  if (current.leaving === 'idle' && slot.flights.queued() > 0) {
    current.leaving = undefined;
    pump(slot);
    return;
  }
  await endResident(slot, current, current.leaving ?? 'requested');
}

async function endResident(slot: Slot, resident: Resident, cause: EndCause): Promise<void> {
  if (slot.current === resident) {
    slot.current = undefined;
    slot.options.observe.loaded(slot.name, undefined);
  }
  resident.leaving = cause;
  resident.claim.leave();
  resident.process.kill();
  await resident.process.exited;
  slot.options.logger.info({ model: slot.name, cause }, 'a model process was ended');
  slot.options.observe.ended(slot.name, cause);
}

async function load(slot: Slot): Promise<void> {
  slot.loadingSince = slot.options.now();
  slot.problem ??= slot.config.load === 'always' ? answers.starting(slot.name) : undefined;
  slot.options.observe.changed();
  const claim = await claimRoom(slot, slot.config);
  // While it waited for room, nobody wanted it any more.
  if (claim !== undefined) {
    const outcome = await start(slot, slot.config, claim);
    if (outcome.ok) install(slot, outcome.resident);
    else failed(slot, outcome);
  }
  slot.loadingSince = undefined;
}

async function claimRoom(slot: Slot, config: ModelConfig): Promise<Claim | undefined> {
  const need = bytesNeeded(slot, config);
  const { gate, budget, now } = slot.options;
  const { spare } = slot;
  slot.spare = undefined;
  if (spare !== undefined) return spare;
  const outcome = await gate.claim(slot.name, need, () => wanted(slot));
  if (outcome === undefined || outcome.ok) return outcome?.claim;
  slot.problem = answers.tooLarge(slot.name, { need, budget, pinned: outcome.pinnedBytes });
  slot.failures = PATIENCE;
  slot.retryAt = now() + NO_ROOM_RETRY_MS;
  giveUp(slot);
  return undefined;
}

async function start(slot: Slot, config: ModelConfig, claim: Claim): Promise<BringUp> {
  const process = slot.options.start(config);
  slot.processes.add(process);
  void process.exited.then(() => slot.processes.delete(process));
  const { budget } = slot.options;
  return bringUp({ config, claim, process, budget });
}

function install(slot: Slot, resident: Resident): void {
  if (slot.stopped) {
    resident.process.kill();
    return;
  }
  const { logger, observe, now } = slot.options;
  const { ready, process, config } = resident;
  slot.current = resident;
  slot.loadingSince = undefined;
  slot.problem = undefined;
  slot.everReady = true;
  // Unloaded on request while it was being loaded: then it goes again, unless somebody wants it by now.
  if (slot.heldDown && !wanted(slot)) resident.leaving = 'requested';
  else slot.heldDown = false;
  slot.lastUsedAt = now();
  slot.loadMs = ready.loadMs;
  slot.metadata = { inputs: ready.inputs, outputs: ready.outputs };
  slot.measured.set(digestOf(config), ready.peakBytes);
  void process.exited.then(() => {
    gone(slot, resident);
  });
  const details = { model: slot.name, pid: process.pid, loadMs: Math.round(ready.loadMs) };
  const { executionProvider } = slot.options;
  logger.info({ ...details, executionProvider, placement: ready.placement }, 'the model is ready');
  const { gate, budget } = slot.options;
  if (gate.bytes() > budget)
    logger.warn(
      { heldBytes: gate.bytes(), budgetBytes: budget },
      'models hold more than the memory budget, and nothing can be unloaded for it',
    );
  observe.loaded(slot.name, ready.loadMs);
  answerAsking(slot, undefined);
  pump(slot);
}

function answerAsking(slot: Slot, failed: Problem | undefined): void {
  for (const answer of slot.asking) answer(failed);
  slot.asking.clear();
}

/** Its process is not there any more, whatever ended it. */
function gone(slot: Slot, resident: Resident): void {
  const passedOn = resident.leaving === 'deadline' || resident.leaving === 'cancelled';
  if (!passedOn || slot.spare === resident.claim) resident.claim.release();
  if (slot.spare === resident.claim) slot.spare = undefined;
  if (slot.current !== resident) return;
  slot.current = undefined;
  slot.options.observe.loaded(slot.name, undefined);
  if (slot.stopped) return;
  slot.options.observe.ended(slot.name, 'died');
  slot.problem = wanted(slot) ? answers.restarting(slot.name) : undefined;
  anotherFailure(slot);
  slot.kick();
}

function anotherFailure(slot: Slot): void {
  slot.failures++;
  slot.retryAt = slot.options.now() + backoff(slot.failures, slot.options.random);
}

function failed(slot: Slot, { problem, permanent }: Extract<BringUp, { ok: false }>): void {
  if (slot.stopped) return;
  anotherFailure(slot);
  slot.problem = problem;
  slot.hopeless = permanent;
  slot.options.logger.error(
    { model: slot.name, code: problem.code, failures: slot.failures },
    problem.message,
  );
  slot.options.observe.ended(slot.name, 'load_failed');
  if (permanent || slot.failures >= PATIENCE) giveUp(slot);
}

/** Tells everyone who waits that it comes to nothing. */
function giveUp(slot: Slot): void {
  const { name, problem, options } = slot;
  if (problem === undefined) return;
  const error = answers.notReady(name, problem, slot.retryAt - options.now());
  answerAsking(slot, problem);
  refuseWaiting(slot, { ok: false, outcome: 'failed', error, timings: NO_TIMINGS });
}

export function refuseWaiting(slot: Slot, landing: Landing): void {
  for (const taken of slot.flights.waiting()) {
    slot.flights.leave(taken);
    slot.options.settle(taken, landing, 'run');
  }
}

/** The new process is warm before the old one goes, when memory allows; else one after the other, while jobs wait. */
async function swap(slot: Slot): Promise<void> {
  const { current: old, replacement } = slot;
  if (old === undefined || replacement === undefined) return;
  const { config, cause, settle } = replacement;
  const claim = slot.options.gate.tryClaim(slot.name, bytesNeeded(slot, config));
  const previous = slot.config;
  if (claim === undefined) {
    old.leaving = cause;
    await old.landed;
    if (slot.current === old) await endResident(slot, old, cause);
  }
  const room = claim ?? (await claimRoom(slot, config));
  slot.replacement = undefined;
  if (room === undefined) {
    // There is no room for it; or nobody wants the model any more, and it is what is loaded next.
    if (slot.problem === undefined) slot.config = config;
    settle(slot.problem);
    return;
  }
  const outcome = await start(slot, config, room);
  if (!outcome.ok) {
    // The old version goes on, or is loaded again. One that was only to be refreshed is left alone for as long again.
    slot.config = previous;
    old.runs = 0;
    old.warmBytes = old.residentBytes;
    settle(outcome.problem);
    return;
  }
  slot.config = config;
  install(slot, outcome.resident);
  settle(undefined);
  if (claim === undefined) return;
  await old.landed;
  await endResident(slot, old, cause);
  tellWaiting(slot);
}

function backoff(failures: number, random: () => number): number {
  if (failures === 0) return 0;
  return Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1)) * (0.5 + random() / 2);
}
