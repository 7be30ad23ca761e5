import type { Clock } from '../../operator/runtime/clock.ts';

export interface ManualClock extends Clock {
  /** Moves time on, calling what falls due in order, and lets what that started get to its next wait. */
  advance: (ms: number) => Promise<void>;
  /** As `advance`, for code that has no promises in between. */
  advanceSync: (ms: number) => void;
  /** Callbacks that wait. */
  readonly pending: number;
}

/** Time that stands still until it is moved on. It starts at 2026-01-01. */
export function createManualClock(): ManualClock {
  const start = Date.UTC(2026, 0, 1);
  const waiting = new Map<number, { at: number; callback: () => void }>();
  let now = 0;
  let next = 0;

  function takeDue(until: number): (() => void) | undefined {
    let first: { id: number; at: number; callback: () => void } | undefined;
    for (const [id, entry] of waiting)
      if (entry.at <= until && (first === undefined || entry.at < first.at)) first = { id, ...entry };
    if (first === undefined) return undefined;
    waiting.delete(first.id);
    now = Math.max(now, first.at);
    return first.callback;
  }

  return {
    now: () => now,
    date: () => new Date(start + now),
    after(delayMs, callback) {
      const id = next++;
      waiting.set(id, { at: now + delayMs, callback });
      return () => {
        waiting.delete(id);
      };
    },
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (let due = takeDue(until); due !== undefined; due = takeDue(until)) {
        due();
        await settle();
      }
      now = until;
      await settle();
    },
    advanceSync(ms) {
      const until = now + ms;
      for (let due = takeDue(until); due !== undefined; due = takeDue(until)) due();
      now = until;
    },
    get pending() {
      return waiting.size;
    },
  };
}

/** Promises that are settled already get to run what waits for them. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
