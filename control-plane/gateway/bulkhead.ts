/** Keeps one caller from taking all of what everybody shares: at most so many at once, and so many for each key. */
export interface Bulkhead {
  /** Runs it in its turn; `full` when its turn did not come in time, or too many wait already. */
  run<T>(key: string, work: () => Promise<T>): Promise<T | 'full'>;
}

export interface BulkheadOptions {
  /** At once. */
  total: number;
  perKey: number;
  /** Waiting, for each key. */
  waitingPerKey: number;
  waitMs: number;
  /** Calls back after so many milliseconds, unless what it gives is called before. */
  schedule: (callback: () => void, ms: number) => () => void;
}

interface Waiting {
  key: string;
  start: () => void;
}

export function createBulkhead(options: BulkheadOptions): Bulkhead {
  const { total, perKey, waitingPerKey, waitMs, schedule } = options;
  const running = new Map<string, number>();
  const waiting = new Set<Waiting>();
  let count = 0;

  const mayStart = (key: string): boolean => count < total && (running.get(key) ?? 0) < perKey;
  const take = (key: string): void => {
    count++;
    running.set(key, (running.get(key) ?? 0) + 1);
  };
  const giveBack = (key: string): void => {
    count--;
    const left = (running.get(key) ?? 1) - 1;
    if (left === 0) running.delete(key);
    else running.set(key, left);
    // The first whose key is not at its bound: nobody waits behind somebody else's burst.
    for (const next of waiting) {
      if (count >= total) break;
      if (mayStart(next.key)) next.start();
    }
  };

  async function turn(key: string): Promise<boolean> {
    if (mayStart(key)) {
      take(key);
      return true;
    }
    if ([...waiting].filter((other) => other.key === key).length >= waitingPerKey) return false;
    return new Promise((resolve) => {
      const entry: Waiting = {
        key,
        start() {
          cancel();
          waiting.delete(entry);
          take(key);
          resolve(true);
        },
      };
      const cancel = schedule(() => {
        waiting.delete(entry);
        resolve(false);
      }, waitMs);
      waiting.add(entry);
    });
  }

  return {
    async run(key, work) {
      if (!(await turn(key))) return 'full';
      try {
        return await work();
      } finally {
        giveBack(key);
      }
    },
  };
}
