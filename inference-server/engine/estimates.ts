/** What runs of a model took lately. Times in milliseconds; undefined while nothing was measured. */
export interface Estimates {
  add(ms: number): void;
  /** Weighted towards the last ones. */
  usual(): number | undefined;
  /** What nine of ten of the last runs did not exceed. */
  long(): number | undefined;
}

const KEPT = 32;
const WEIGHT = 0.2;

export function createEstimates(): Estimates {
  const last: number[] = [];
  let average: number | undefined;
  return {
    add(ms) {
      average = average === undefined ? ms : average * (1 - WEIGHT) + ms * WEIGHT;
      last.push(ms);
      if (last.length > KEPT) last.shift();
    },
    usual: () => average,
    long() {
      const sorted = last.toSorted((a, b) => a - b);
      return sorted[Math.ceil(sorted.length * 0.9) - 1];
    },
  };
}

/** Whole seconds for Retry-After: at least 1, and at most ten minutes. */
export function retryAfterSeconds(ms: number): number {
  return Math.min(600, Math.max(1, Math.ceil(ms / 1000)));
}
