import type { JobTimings, Order } from '../worker/protocol.ts';
import * as answers from './answers.ts';
import type { EndCause, Resident } from './bring-up.ts';
import type { Work } from './engine.ts';
import type { Flight } from './flights.ts';
import type { RunOutcome } from './model-process.ts';
import { describeWaiting, digestOf, type Landing, type Slot, versionOf } from './slot.ts';
import { enterState, type TakenJob } from './taken-job.ts';

const NO_TIMINGS: JobTimings = { preprocessMs: 0, inferenceMs: 0, postprocessMs: 0 };
/** How long past its usual time a run that nobody wants may go on before it is ended after all. */
const OVERTIME_MS = 100;

/** Gives the process its next job, when it has none. */
export function pump(slot: Slot): void {
  const { current } = slot;
  if (slot.stopped || current === undefined || current.flight !== undefined) return;
  clearTimeout(slot.idleTimer);
  const flight = current.leaving === undefined ? nextFlight(slot) : undefined;
  if (flight !== undefined) current.landed = fly(slot, current, flight);
  else {
    idle(slot, current);
    slot.options.gate.look();
  }
  tellWaiting(slot);
}

export function tellWaiting(slot: Slot): void {
  for (const [taken, state] of describeWaiting(slot, true)) enterState(taken, state);
}

/** Unloads it when nothing comes for long, unless it is always loaded. */
function idle(slot: Slot, resident: Resident): void {
  const { idleUnloadMs } = slot.options;
  if (idleUnloadMs === 0 || slot.config.load === 'always') return;
  slot.idleTimer = setTimeout(() => {
    if (slot.current !== resident || resident.flight !== undefined) return;
    resident.leaving ??= 'idle';
    slot.kick();
  }, idleUnloadMs).unref();
}

/** The next that can still be done in time: what its deadline would kill is not begun. */
function nextFlight(slot: Slot): Flight | undefined {
  for (;;) {
    const flight = slot.flights.next();
    if (flight === undefined) return undefined;
    for (const taken of [...flight.jobs]) if (tooLate(slot, taken)) dismiss(slot, taken);
    if (flight.jobs.size > 0) return flight;
  }
}

function tooLate(slot: Slot, { takenAt, deadlineMs }: TakenJob): boolean {
  const left = deadlineMs - (slot.options.now() - takenAt);
  // Never more than half of it, so that one slow run does not come to refuse everything.
  return left < Math.min(slot.estimates.usual() ?? 0, deadlineMs / 2);
}

function dismiss(slot: Slot, taken: TakenJob): void {
  slot.flights.leave(taken);
  const error = answers.tooLateToBegin(taken.deadlineMs);
  slot.options.settle(taken, { ok: false, outcome: 'timed_out', error, timings: NO_TIMINGS }, 'run');
}

async function fly(slot: Slot, resident: Resident, flight: Flight): Promise<void> {
  const { now, logger, wallClock } = slot.options;
  resident.flight = flight;
  slot.inAir.set(flight, resident);
  const model = { name: slot.name, sha256: digestOf(resident.config) };
  const version = versionOf(resident.config);
  for (const taken of flight.jobs) {
    // Its key names the version that was served when it was taken.
    if (taken.version !== version) taken.key = undefined;
    taken.model = model;
    taken.startedAt = flight.startedAt;
    enterState(taken, { state: 'running' });
  }
  const outcome = await resident.process.run(orderOf(flight.work));
  const elapsed = now() - (flight.startedAt ?? now());
  resident.flight = undefined;
  slot.inAir.delete(flight);
  slot.lastUsedAt = now();
  slot.lastUsed = wallClock();
  if (outcome.type !== 'died') afterRun(slot, resident, { outcome, elapsed });
  else if (flight.jobs.size > 0)
    logger.warn({ model: slot.name, cause: outcome.cause }, 'a model process ended in the middle of a run');
  const landing = landingOf(slot, outcome, elapsed);
  slot.flights.land(flight);
  let from: 'run' | 'shared' = 'run';
  for (const taken of flight.jobs) {
    slot.options.settle(taken, from === 'run' ? landing : { ...landing, timings: NO_TIMINGS }, from);
    from = 'shared';
  }
  if (outcome.type !== 'died') {
    pump(slot);
    slot.kick();
  }
}

function orderOf(work: Work): Order {
  return work.kind === 'background-removal'
    ? { kind: work.kind, bytes: work.bytes, options: work.options }
    : work;
}

function afterRun(
  slot: Slot,
  resident: Resident,
  { outcome, elapsed }: { outcome: Exclude<RunOutcome, { type: 'died' }>; elapsed: number },
): void {
  if (outcome.type === 'done') slot.estimates.add(elapsed);
  slot.failures = 0;
  resident.runs++;
  resident.residentBytes = outcome.residentBytes;
  const { afterRuns, growthBytes } = slot.options.recycle;
  if (afterRuns > 0 && resident.runs >= afterRuns) recycle(slot, 'runs');
  else if (growthBytes > 0 && outcome.residentBytes > resident.warmBytes + growthBytes)
    recycle(slot, 'growth');
}

function recycle(slot: Slot, cause: 'runs' | 'growth'): void {
  slot.replacement ??= { config: slot.config, cause, settle: () => undefined };
}

function landingOf(slot: Slot, outcome: RunOutcome, elapsed: number): Landing {
  if (outcome.type === 'done') return { ok: true, output: outcome.output, timings: outcome.timings };
  if (outcome.type === 'died')
    return {
      ok: false,
      outcome: 'failed',
      error: slot.stopped ? answers.stopping() : answers.died(outcome.cause),
      timings: { ...NO_TIMINGS, inferenceMs: elapsed },
    };
  return { ok: false, outcome: 'failed', error: answers.refused(outcome), timings: outcome.timings };
}

/**
 * Gives a job up. The run of one that nobody else shares is ended by ending its process, for nothing else ends a run;
 * unless it was cancelled and is about to end sooner than a new process could be ready.
 */
export function leave(
  slot: Slot,
  taken: TakenJob,
  cause: 'cancelled' | 'deadline',
): { running: boolean; ranMs: number } {
  const { now, gate } = slot.options;
  const { startedAt, abandoned } = slot.flights.leave(taken);
  const ranMs = startedAt === undefined ? 0 : now() - startedAt;
  const resident = abandoned === undefined ? undefined : slot.inAir.get(abandoned);
  if (abandoned !== undefined && resident !== undefined)
    abandon(slot, resident, { flight: abandoned, cause, ranMs });
  tellWaiting(slot);
  gate.look();
  return { running: startedAt !== undefined, ranMs };
}

function abandon(
  slot: Slot,
  resident: Resident,
  { flight, cause, ranMs }: { flight: Flight; cause: 'cancelled' | 'deadline'; ranMs: number },
): void {
  const left = (slot.estimates.long() ?? Infinity) - ranMs;
  const soon = cause === 'cancelled' && left > 0 && left + OVERTIME_MS < (slot.loadMs ?? 0);
  if (!soon) {
    endRun(slot, resident, cause);
    return;
  }
  const timer = setTimeout(() => {
    if (resident.flight === flight) endRun(slot, resident, cause);
  }, left + OVERTIME_MS);
  void resident.landed.then(() => {
    clearTimeout(timer);
  });
}

/** Its memory is the next process's, which need not wait until the kernel has taken everything back. */
function endRun(slot: Slot, resident: Resident, cause: EndCause): void {
  if (slot.current !== resident) {
    resident.process.kill();
    return;
  }
  slot.current = undefined;
  slot.spare = resident.claim;
  slot.problem = slot.config.load === 'always' ? answers.restarting(slot.name) : undefined;
  resident.leaving = cause;
  resident.process.kill();
  slot.options.observe.loaded(slot.name, undefined);
  slot.options.observe.ended(slot.name, cause);
  slot.kick();
}
