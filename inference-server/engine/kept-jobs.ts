import type { JobHandle } from './engine.ts';

/** Submitted jobs, to be asked for by id by who submitted them. Bounded by number, by bytes of results and by time. */
export interface KeptJobs {
  add(handle: JobHandle): void;
  /** Its result is there, and has so many bytes. */
  done(id: string, bytes: number): void;
  get(id: string, principal: string): JobHandle | undefined;
  has(id: string): boolean;
  /** Newest first. */
  of(principal: string): JobHandle[];
}

export interface KeptJobsOptions {
  maxJobs: number;
  maxBytes: number;
  keepMs: number;
  now: () => number;
}

interface Kept {
  handle: JobHandle;
  bytes: number;
  /** Undefined while it is not done: then it stays. */
  doneAt: number | undefined;
}

export function createKeptJobs(options: KeptJobsOptions): KeptJobs {
  const { maxJobs, maxBytes, keepMs, now } = options;
  const jobs = new Map<string, Kept>();
  let total = 0;

  function drop(id: string): void {
    total -= jobs.get(id)?.bytes ?? 0;
    jobs.delete(id);
  }

  function expire(): void {
    const oldest = now() - keepMs;
    for (const [id, { doneAt }] of jobs) if (doneAt !== undefined && doneAt <= oldest) drop(id);
  }

  /** The oldest that is done, of the principal who keeps the most: nobody pushes out what others keep. */
  function dropOne(): boolean {
    const shares = new Map<string, number>();
    for (const { handle, bytes, doneAt } of jobs.values()) {
      if (doneAt === undefined) continue;
      const share = bytes / maxBytes + 1 / maxJobs;
      shares.set(handle.principal, (shares.get(handle.principal) ?? 0) + share);
    }
    const [largest] = [...shares].toSorted(([, a], [, b]) => b - a);
    if (largest === undefined) return false;
    for (const [id, { handle, doneAt }] of jobs)
      if (doneAt !== undefined && handle.principal === largest[0]) {
        drop(id);
        return true;
      }
    return false;
  }

  function shrink(): void {
    while ((jobs.size > maxJobs || total > maxBytes) && dropOne());
  }

  return {
    add(handle) {
      expire();
      jobs.set(handle.id, { handle, bytes: 0, doneAt: undefined });
      shrink();
    },
    done(id, bytes) {
      const kept = jobs.get(id);
      if (kept === undefined) return;
      kept.bytes = bytes;
      kept.doneAt = now();
      total += bytes;
      expire();
      shrink();
    },
    get(id, principal) {
      expire();
      const handle = jobs.get(id)?.handle;
      return handle?.principal === principal ? handle : undefined;
    },
    has: (id) => jobs.has(id),
    of(principal) {
      expire();
      const own = [...jobs.values()].map(({ handle }) => handle);
      return own.filter((handle) => handle.principal === principal).toReversed();
    },
  };
}
