import { admit, type Refusal } from './admission.ts';
import type { Work } from './engine.ts';
import { createFairQueue } from './fair-queue.ts';
import type { TakenJob } from './taken-job.ts';

/** What runs once: for one job, or for several equal ones. */
export interface Flight {
  work: Work;
  /** Of its result; undefined when it is not to be shared. */
  key: string | undefined;
  jobs: Set<TakenJob>;
  /** While it runs. */
  startedAt: number | undefined;
}

/** What waits for one model and what runs on it, with the jobs that each is for. */
export interface Flights {
  admit(principal: string): Refusal | undefined;
  /** Counts the job as waiting, before it has a flight: while its input is hashed. */
  reserve(taken: TakenJob): void;
  /** To an equal flight, waiting or running; else to the queue. */
  enter(taken: TakenJob, key: string | undefined): Flight;
  next(): Flight | undefined;
  land(flight: Flight): void;
  /**
   * Takes a job away from what it waits for. `startedAt` is given when that runs; `abandoned`, when nobody wants its
   * result any more.
   */
  leave(taken: TakenJob): { startedAt: number | undefined; abandoned: Flight | undefined };
  /** Flights that wait, in the order of their turns. */
  order(): Flight[];
  /** Jobs that wait, those with a reservation only among them. */
  waiting(): TakenJob[];
  /** Flights in the queue. */
  queued(): number;
}

const LEVELS = 3;
/** Who has waited so much longer goes before the next more urgent class. */
const AGING_MS = 10_000;

export function createFlights(options: { depth: number; now: () => number }): Flights {
  const { depth, now } = options;
  const queue = createFairQueue<Flight>(LEVELS, AGING_MS);
  const flightOf = new Map<TakenJob, Flight>();
  const byKey = new Map<string, Flight>();
  const waiting = new Set<TakenJob>();
  const perPrincipal = new Map<string, number>();

  function count(taken: TakenJob, by: 1 | -1): void {
    const { principal } = taken.job;
    const jobs = (perPrincipal.get(principal) ?? 0) + by;
    if (jobs === 0) perPrincipal.delete(principal);
    else perPrincipal.set(principal, jobs);
  }
  function wait(taken: TakenJob): void {
    if (waiting.has(taken)) return;
    waiting.add(taken);
    count(taken, 1);
  }
  function waitNoMore(taken: TakenJob): void {
    if (waiting.delete(taken)) count(taken, -1);
  }
  function push(flight: Flight, { level, takenAt, job }: TakenJob): void {
    queue.push(flight, { level, at: takenAt, flow: job.principal });
  }
  function forgetKey(flight: Flight): void {
    const { key } = flight;
    // An abandoned flight may still run while another has its key.
    if (key !== undefined && byKey.get(key) === flight) byKey.delete(key);
  }
  function join(flight: Flight, taken: TakenJob): void {
    const mostUrgent = Math.min(...[...flight.jobs].map(({ level }) => level));
    flight.jobs.add(taken);
    flightOf.set(taken, flight);
    if (flight.startedAt !== undefined) waitNoMore(taken);
    else if (taken.level < mostUrgent && queue.remove(flight)) push(flight, taken);
  }

  return {
    admit: (principal) => admit({ depth, waiting: waiting.size, ofCaller: perPrincipal.get(principal) ?? 0 }),
    reserve: wait,
    enter(taken, key) {
      wait(taken);
      const equal = key === undefined ? undefined : byKey.get(key);
      if (equal !== undefined) {
        join(equal, taken);
        return equal;
      }
      const flight: Flight = { work: taken.job.work, key, jobs: new Set([taken]), startedAt: undefined };
      flightOf.set(taken, flight);
      if (key !== undefined) byKey.set(key, flight);
      push(flight, taken);
      return flight;
    },
    next() {
      const flight = queue.shift(now());
      if (flight === undefined) return undefined;
      flight.startedAt = now();
      flight.jobs.forEach(waitNoMore);
      return flight;
    },
    land(flight) {
      forgetKey(flight);
      for (const taken of flight.jobs) flightOf.delete(taken);
    },
    leave(taken) {
      waitNoMore(taken);
      const flight = flightOf.get(taken);
      flightOf.delete(taken);
      flight?.jobs.delete(taken);
      const startedAt = flight?.startedAt;
      if (flight === undefined || flight.jobs.size > 0) return { startedAt, abandoned: undefined };
      forgetKey(flight);
      queue.remove(flight);
      return { startedAt, abandoned: startedAt === undefined ? undefined : flight };
    },
    order: () => queue.order(now()),
    waiting: () => [...waiting],
    queued: () => queue.size(),
  };
}
