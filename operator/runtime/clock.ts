/** Time as it is handed to everything here that waits or measures. */
export interface Clock {
  /** Milliseconds that only grow, from an arbitrary start. */
  now: () => number;
  /** The date, for what is written into objects and for nothing else. */
  date: () => Date;
  /** Calls once after that many milliseconds, unless the returned function is called before. */
  after: (delayMs: number, callback: () => void) => () => void;
}

/** The longest delay that setTimeout takes. */
const LONGEST_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_MS));
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Resolves after that time or when the signal ends, whichever is first; never rejects. */
export async function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(delayMs, end);
    signal?.addEventListener('abort', end, { once: true });
  });
}
