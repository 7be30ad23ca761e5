/** Where an item stands: whose it is, how urgent (0 is the most), and since when it waits. */
export interface Place {
  flow: string;
  level: number;
  at: number;
}

/**
 * A queue in which the turn goes round between flows within a level, and in which who waits is moved up: a level is
 * served before a more urgent one once its oldest item has waited `agingMs` longer for each level between them. So
 * nobody starves, whatever arrives. Bounds are its user's.
 */
export interface FairQueue<T> {
  push(item: T, place: Place): void;
  shift(now: number): T | undefined;
  /** False when it is not in the queue any more. */
  remove(item: T): boolean;
  size(): number;
  /** In the order in which they would leave if nothing more came. */
  order(now: number): T[];
  /** Empties the queue, in that order. */
  drain(now: number): T[];
}

/** Flows in the order of their turns. A set keeps the order of arrival, and takes from anywhere in constant time. */
type Level<T> = Map<string, Set<T>>;

export function createFairQueue<T>(levels: number, agingMs: number): FairQueue<T> {
  let waiting = emptyLevels<T>(levels);
  let places = new Map<T, Place>();

  const queue: FairQueue<T> = {
    push(item, place) {
      places.set(item, place);
      enter(waiting, item, place);
    },
    shift(now) {
      const next = pick(waiting, places, { now, agingMs });
      if (next !== undefined) places.delete(next);
      return next;
    },
    remove(item) {
      const place = places.get(item);
      if (place === undefined) return false;
      places.delete(item);
      const level = waiting[place.level];
      const flow = level?.get(place.flow);
      flow?.delete(item);
      if (flow?.size === 0) level?.delete(place.flow);
      return true;
    },
    size: () => places.size,
    order(now) {
      const copy = waiting.map(
        (level): Level<T> => new Map([...level].map(([flow, items]) => [flow, new Set(items)])),
      );
      const ordered: T[] = [];
      for (;;) {
        const next = pick(copy, places, { now, agingMs });
        if (next === undefined) return ordered;
        ordered.push(next);
      }
    },
    drain(now) {
      const ordered = queue.order(now);
      waiting = emptyLevels<T>(levels);
      places = new Map();
      return ordered;
    },
  };
  return queue;
}

function emptyLevels<T>(levels: number): Level<T>[] {
  return Array.from({ length: levels }, (): Level<T> => new Map());
}

function enter<T>(waiting: Level<T>[], item: T, { level, flow }: Place): void {
  const flows = waiting[level];
  if (flows === undefined) throw new RangeError(`there is no level ${level}`);
  const items = flows.get(flow) ?? new Set();
  items.add(item);
  flows.set(flow, items);
}

/** Takes the next item out; its flow goes to the end of the turn. */
function pick<T>(
  waiting: Level<T>[],
  places: ReadonlyMap<T, Place>,
  time: { now: number; agingMs: number },
): T | undefined {
  const level = mostUrgent(waiting, places, time);
  const turn = level?.entries().next().value;
  if (level === undefined || turn === undefined) return undefined;
  const [flow, items] = turn;
  const next = items.values().next().value;
  level.delete(flow);
  if (next !== undefined) items.delete(next);
  if (items.size > 0) level.set(flow, items);
  return next;
}

function mostUrgent<T>(
  waiting: Level<T>[],
  places: ReadonlyMap<T, Place>,
  { now, agingMs }: { now: number; agingMs: number },
): Level<T> | undefined {
  let best: Level<T> | undefined;
  let urgency = Infinity;
  for (const [index, level] of waiting.entries()) {
    if (level.size === 0) continue;
    let oldest = now;
    for (const items of level.values()) {
      const head = items.values().next().value;
      if (head !== undefined) oldest = Math.min(oldest, places.get(head)?.at ?? now);
    }
    const value = index - (now - oldest) / agingMs;
    if (value < urgency) [best, urgency] = [level, value];
  }
  return best;
}
