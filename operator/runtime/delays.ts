import TinyQueue from 'tinyqueue';
import type { Clock } from './clock.ts';

/** `live`: something has just happened. `background`: start, resync. Everything live comes first. */
export type Priority = 'live' | 'background';

/** Keys whose time has not come. Each waits for one time, the earliest that was asked for. */
export interface Delays {
  add: (key: string, at: number, priority: Priority) => void;
  clear: () => void;
}

interface Entry {
  key: string;
  at: number;
}

/** Times that no longer count stay in the heap until then; beyond so many it is made anew. */
const SLACK = 64;

/** One timer for the earliest of them all. */
export function createDelays(clock: Clock, due: (key: string, priority: Priority) => void): Delays {
  const delayed = new Map<string, { at: number; priority: Priority }>();
  let heap = createHeap([]);
  let timer: { at: number; cancel: () => void } | undefined;

  function arm(): void {
    const first = heap.peek();
    if (first === undefined || (timer !== undefined && timer.at <= first.at)) return;
    timer?.cancel();
    timer = { at: first.at, cancel: clock.after(Math.max(0, first.at - clock.now()), ring) };
  }

  function ring(): void {
    timer = undefined;
    for (let first = heap.peek(); first !== undefined && first.at <= clock.now(); first = heap.peek()) {
      heap.pop();
      const entry = delayed.get(first.key);
      if (entry?.at !== first.at) continue;
      delayed.delete(first.key);
      due(first.key, entry.priority);
    }
    arm();
  }

  return {
    add(key, at, priority) {
      const before = delayed.get(key);
      const highest = before?.priority === 'live' ? 'live' : priority;
      if (before !== undefined && before.at <= at) {
        before.priority = highest;
        return;
      }
      delayed.set(key, { at, priority: highest });
      heap.push({ key, at });
      if (heap.length > 2 * delayed.size + SLACK)
        heap = createHeap([...delayed].map(([name, entry]) => ({ key: name, at: entry.at })));
      arm();
    },
    clear() {
      timer?.cancel();
      timer = undefined;
      delayed.clear();
      heap = createHeap([]);
    },
  };
}

function createHeap(entries: Entry[]): TinyQueue<Entry> {
  return new TinyQueue(entries, (a, b) => a.at - b.at);
}
