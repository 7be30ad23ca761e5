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
  take(key: string, limit: number, nowMs: number, id?: string): WindowAnswer;
  /** What `take` would answer; counts nothing. */
  look(key: string, limit: number, nowMs: number): WindowAnswer;
  /** Counts one that somebody else has admitted. */
  note(key: string, nowMs: number, id: string): void;
  /** Takes back what was counted under that id: it was not served after all. */
  giveBack(key: string, id: string): void;
  /** All that is counted at `nowMs`, by key. */
  entries(nowMs: number): [key: string, counted: { id: string; ageMs: number }[]][];
  /** Keys in memory. */
  size(): number;
}

/** Times and ids of counted requests, oldest first. Its room grows with use, up to the limit. */
interface Log {
  times: Float64Array;
  ids: string[];
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
    const log = { times: new Float64Array(FIRST_ROOM), ids: [], head: 0, count: 0 };
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

  /** Of a log whose past is forgotten; the request asked about is counted by now if it was admitted. */
  function answer(log: Log, limit: number, admitted: boolean, nowMs: number): WindowAnswer {
    // With a limit that has shrunk, more than the oldest has to leave before there is room.
    const leaving = admitted ? 0 : Math.min(log.count - limit, log.count - 1);
    const resetMs = log.count === 0 ? windowMs : Math.max(0, at(log, leaving) + windowMs - nowMs);
    return {
      admitted,
      limit,
      remaining: Math.max(0, limit - log.count),
      resetMs,
      retryAfterMs: admitted ? 0 : resetMs,
    };
  }

  return {
    windowMs,
    take(key, limit, nowMs, id = '') {
      const log = touch(key, nowMs);
      forgetPast(log, nowMs - windowMs);
      const admitted = log.count < limit;
      if (admitted) push(log, nowMs, id);
      return answer(log, limit, admitted, nowMs);
    },
    look(key, limit, nowMs) {
      const log = logs.get(key) ?? { times: new Float64Array(0), ids: [], head: 0, count: 0 };
      forgetPast(log, nowMs - windowMs);
      return answer(log, limit, log.count < limit, nowMs);
    },
    note(key, nowMs, id) {
      const log = touch(key, nowMs);
      forgetPast(log, nowMs - windowMs);
      push(log, nowMs, id);
    },
    giveBack(key, id) {
      const log = logs.get(key);
      if (log !== undefined) remove(log, id);
    },
    entries(nowMs) {
      return [...logs].flatMap(([key, log]) => {
        forgetPast(log, nowMs - windowMs);
        if (log.count === 0) return [];
        const counted = Array.from({ length: log.count }, (_, index) => ({
          id: log.ids[slot(log, index)] ?? '',
          ageMs: nowMs - at(log, index),
        }));
        return [[key, counted] as [string, { id: string; ageMs: number }[]]];
      });
    },
    size: () => logs.size,
  };
}

function slot(log: Log, index: number): number {
  return (log.head + index) % log.times.length;
}

function at(log: Log, index: number): number {
  return log.times[slot(log, index)] ?? 0;
}

/** A request at t is counted while now - t < window. */
function forgetPast(log: Log, upTo: number): void {
  while (log.count > 0 && at(log, 0) <= upTo) {
    log.head = (log.head + 1) % log.times.length;
    log.count--;
  }
}

function push(log: Log, time: number, id: string): void {
  if (log.count === log.times.length) grow(log);
  const place = slot(log, log.count);
  log.times[place] = time;
  log.ids[place] = id;
  log.count++;
}

function grow(log: Log): void {
  const times = new Float64Array(log.times.length * 2);
  const ids: string[] = [];
  for (let index = 0; index < log.count; index++) {
    times[index] = at(log, index);
    ids[index] = log.ids[slot(log, index)] ?? '';
  }
  Object.assign(log, { times, ids, head: 0 });
}

/** The newest first: what is taken back was counted a moment ago. */
function remove(log: Log, id: string): void {
  let index = log.count - 1;
  while (index >= 0 && log.ids[slot(log, index)] !== id) index--;
  if (index < 0) return;
  for (; index < log.count - 1; index++) {
    log.times[slot(log, index)] = at(log, index + 1);
    log.ids[slot(log, index)] = log.ids[slot(log, index + 1)] ?? '';
  }
  log.count--;
}
