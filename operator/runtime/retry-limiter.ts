/** How long a failed item waits: its own backoff, and a bucket that all items share. */
export interface RetryLimiter {
  /** Counts a failure of the item and takes a token. Milliseconds. */
  delayOf: (item: string) => number;
  forget: (item: string) => void;
  failures: (item: string) => number;
}

export interface RetryLimits {
  baseMs: number;
  maxMs: number;
  /** Retries a second, of all items together, once the burst is used up. */
  perSecond: number;
  burst: number;
}

/** client-go's DefaultControllerRateLimiter. */
const LIMITS: RetryLimits = { baseMs: 5, maxMs: 1_000_000, perSecond: 10, burst: 100 };

export function createRetryLimiter(now: () => number, options: Partial<RetryLimits> = {}): RetryLimiter {
  const { baseMs, maxMs, perSecond, burst } = { ...LIMITS, ...options };
  const failures = new Map<string, number>();
  let tokens = burst;
  let filledAt = now();

  /** Tokens may be owed: whoever takes one then waits until it would be there. */
  function reserve(): number {
    const time = now();
    tokens = Math.min(burst, tokens + ((time - filledAt) / 1000) * perSecond) - 1;
    filledAt = time;
    return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000;
  }

  return {
    delayOf(item) {
      const count = failures.get(item) ?? 0;
      failures.set(item, count + 1);
      // 2^60 is beyond every limit and still exact.
      return Math.max(Math.min(baseMs * 2 ** Math.min(count, 60), maxMs), reserve());
    },
    forget(item) {
      failures.delete(item);
    },
    failures: (item) => failures.get(item) ?? 0,
  };
}
