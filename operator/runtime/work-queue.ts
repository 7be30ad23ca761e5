import type { Clock } from './clock.ts';
import { createDelays, type Priority } from './delays.ts';
import type { QueueMetrics } from './metrics.ts';
import { createRetryLimiter, type RetryLimits } from './retry-limiter.ts';

export type { Priority } from './delays.ts';

/**
 * Keys that need work. A key waits at most once, is worked on by one worker at a time, and is worked on again when it
 * was added meanwhile. Its memory is bounded by the number of different keys.
 */
export interface WorkQueue {
  /** Keys that wait to be taken; not those whose time has not come. */
  readonly length: number;
  add: (key: string, priority?: Priority) => void;
  /** The earliest time asked for counts. */
  addAfter: (key: string, delayMs: number, priority?: Priority) => void;
  /** After a failure: its own backoff and the shared bucket decide when. Answers the wait in milliseconds. */
  addLimited: (key: string, priority?: Priority) => number;
  /** The key's backoff starts anew. */
  forget: (key: string) => void;
  failures: (key: string) => number;
  /** The next key, once there is one; undefined when the queue is shut down. Every taken key is given to `done`. */
  take: () => Promise<string | undefined>;
  done: (key: string) => void;
  /** Nothing more is given out. Resolves when every taken key is done. */
  shutDown: () => Promise<void>;
  /** Seconds that each key under work has been so. */
  running: () => number[];
}

export interface WorkQueueOptions {
  clock: Clock;
  metrics?: QueueMetrics | undefined;
  limits?: Partial<RetryLimits> | undefined;
}

const PRIORITIES = ['live', 'background'] as const;

export function createWorkQueue({ clock, metrics, limits }: WorkQueueOptions): WorkQueue {
  /** Key to when it was added, in order. */
  const waiting: Record<Priority, Map<string, number>> = { live: new Map(), background: new Map() };
  /** Key to when its work began. */
  const processing = new Map<string, number>();
  /** Added while under work. */
  const dirty = new Map<string, { priority: Priority; since: number }>();
  const takers: ((key: string | undefined) => void)[] = [];
  const limiter = createRetryLimiter(clock.now, limits);
  const drained = Promise.withResolvers<undefined>();
  let closed = false;

  const delays = createDelays(clock, (key, priority) => {
    add(key, priority);
  });

  function enqueue(key: string, priority: Priority, since: number): void {
    if (waiting.live.has(key)) return;
    if (priority === 'live') {
      // A rise in priority does not make the wait shorter than it was.
      const before = waiting.background.get(key);
      waiting.background.delete(key);
      waiting.live.set(key, before ?? since);
    } else if (!waiting.background.has(key)) waiting.background.set(key, since);
    report();
    takers.shift()?.(next());
  }

  function add(key: string, priority: Priority = 'live'): void {
    if (closed) return;
    metrics?.added();
    if (!processing.has(key)) {
      enqueue(key, priority, clock.now());
      return;
    }
    const before = dirty.get(key);
    dirty.set(key, {
      priority: before?.priority === 'live' ? 'live' : priority,
      since: before?.since ?? clock.now(),
    });
  }

  function next(): string | undefined {
    for (const priority of PRIORITIES)
      for (const [key, since] of waiting[priority]) {
        waiting[priority].delete(key);
        processing.set(key, clock.now());
        metrics?.taken((clock.now() - since) / 1000);
        report();
        return key;
      }
    return undefined;
  }

  function report(): void {
    for (const priority of PRIORITIES) metrics?.depth(priority, waiting[priority].size);
  }

  function addAfter(key: string, delayMs: number, priority: Priority = 'live'): void {
    if (closed) return;
    if (delayMs <= 0) add(key, priority);
    else delays.add(key, clock.now() + delayMs, priority);
  }

  return {
    get length() {
      return waiting.live.size + waiting.background.size;
    },
    add,
    addAfter,
    addLimited(key, priority) {
      const delay = limiter.delayOf(key);
      metrics?.retried();
      addAfter(key, delay, priority);
      return delay;
    },
    forget: limiter.forget,
    failures: limiter.failures,
    async take() {
      if (closed) return undefined;
      const key = next();
      if (key !== undefined) return key;
      return new Promise((resolve) => takers.push(resolve));
    },
    done(key) {
      const began = processing.get(key);
      if (began === undefined) return;
      processing.delete(key);
      metrics?.worked((clock.now() - began) / 1000);
      const again = dirty.get(key);
      dirty.delete(key);
      if (closed) {
        if (processing.size === 0) drained.resolve(undefined);
      } else if (again !== undefined) enqueue(key, again.priority, again.since);
    },
    async shutDown() {
      closed = true;
      delays.clear();
      for (const priority of PRIORITIES) waiting[priority].clear();
      dirty.clear();
      report();
      for (const taker of takers.splice(0)) taker(undefined);
      if (processing.size === 0) drained.resolve(undefined);
      await drained.promise;
    },
    running: () => [...processing.values()].map((began) => (clock.now() - began) / 1000),
  };
}
