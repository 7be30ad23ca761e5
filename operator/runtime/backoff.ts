/** Waits that double from `baseMs` to `maxMs`, each between half of it and the whole of it. */
export interface Backoff {
  next: () => number;
  reset: () => void;
}

export function createBackoff(baseMs: number, maxMs: number, random: () => number): Backoff {
  let failures = 0;
  return {
    next() {
      const whole = Math.min(baseMs * 2 ** Math.min(failures, 40), maxMs);
      failures += 1;
      return whole * (0.5 + random() / 2);
    },
    reset() {
      failures = 0;
    },
  };
}
