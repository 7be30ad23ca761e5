export interface WindowAnswer {
  admitted: boolean;
  limit: number;
  remaining: number;
  /** Until the oldest counted request leaves the window and one more may come; 0 when none is counted. */
  resetMs: number;
  /** How long a refused request has to wait; 0 when admitted. */
  retryAfterMs: number;
}

export interface SlidingWindow {
  readonly windowMs: number;
  /**
   * Counts one request of `key` at `nowMs` (a monotonic clock), or refuses it; a refused one is not counted, so that
   * a client that keeps trying is served again as soon as there is room.
   */
  take(key: string, limit: number, nowMs: number): WindowAnswer;
  /** Keys in memory. */
  size(): number;
}

/** Times of counted requests, oldest first. Its room grows with use, up to the limit. */
interface Log {
  times: Float64Array;
  head: number;
  count: number;
}

const FIRST_ROOM = 8;

/**
 * An exact sliding-window log in memory: at no moment do the last `windowMs` hold more than `limit` admitted requests.
 * At most `maxKeys` keys are kept. When they are all in use, the one longest unused is forgotten: choose `maxKeys`
 * above the number of tenants, and forgetting concerns strangers' addresses only.
 */
export function createSlidingWindow(options: { windowMs: number; maxKeys: number }): SlidingWindow {
  const { windowMs, maxKeys } = options;
  /** A Map keeps the order of insertion; a key is put at the end whenever it is used. */
  const logs = new Map<string, Log>();

  function touch(key: string, nowMs: number): Log {
    const known = logs.get(key);
    if (known !== undefined) {
      logs.delete(key);
      logs.set(key, known);
      return known;
    }
    dropIdle(nowMs);
    const log = { times: new Float64Array(FIRST_ROOM), head: 0, count: 0 };
    logs.set(key, log);
    return log;
  }

  /** The least recently used come first: two looks for each new key keep up with any number of them. */
  function dropIdle(nowMs: number): void {
    let looks = 0;
    for (const [key, log] of logs) {
      forgetPast(log, nowMs - windowMs);
      if (log.count > 0 && logs.size < maxKeys) return;
      logs.delete(key);
      if (++looks === 2) return;
    }
  }

  return {
    windowMs,
    take(key, limit, nowMs) {
      const log = touch(key, nowMs);
      forgetPast(log, nowMs - windowMs);
      const admitted = log.count < limit;
      if (admitted) push(log, nowMs);
      // With a limit that has shrunk, more than the oldest has to leave before there is room.
      const leaving = admitted ? 0 : log.count - limit;
      const resetMs = log.count === 0 ? windowMs : Math.max(0, at(log, leaving) + windowMs - nowMs);
      return {
        admitted,
        limit,
        remaining: Math.max(0, limit - log.count),
        resetMs,
        retryAfterMs: admitted ? 0 : resetMs,
      };
    },
    size: () => logs.size,
  };
}

function at(log: Log, index: number): number {
  return log.times[(log.head + index) % log.times.length] ?? 0;
}

/** A request at t is counted while now - t < window. */
function forgetPast(log: Log, upTo: number): void {
  while (log.count > 0 && at(log, 0) <= upTo) {
    log.head = (log.head + 1) % log.times.length;
    log.count--;
  }
}

function push(log: Log, time: number): void {
  if (log.count === log.times.length) {
    const times = new Float64Array(log.times.length * 2);
    for (let index = 0; index < log.count; index++) times[index] = at(log, index);
    log.times = times;
    log.head = 0;
  }
  log.times[(log.head + log.count) % log.times.length] = time;
  log.count++;
}
