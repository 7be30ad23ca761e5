import type { LeaseBound, LeaseClaim } from './limiter.ts';

export interface LeaseTable {
  /** What is spent of the bound, if anything is. */
  spent(claim: LeaseClaim, weight: { pixels: number; steps: number }): keyof LeaseBound | undefined;
  hold(key: string, id: string, weight: { pixels: number; steps: number }): void;
  release(key: string, id: string): void;
  entries(): { key: string; id: string; pixels: number; steps: number }[];
}

interface Held {
  requests: Map<string, { pixels: number; steps: number }>;
  pixels: number;
  steps: number;
}

/** A single request may be as heavy as the whole bound, however heavy it is: alone it is served. */
export function weightWithin(weight: number, bound: number): number {
  return bound === 0 ? weight : Math.min(weight, bound);
}

/** What this process has in flight, by key. It ends with the process, so that no crash leaks any. */
export function createLeaseTable(): LeaseTable {
  const table = new Map<string, Held>();
  return {
    spent({ key, bound }, weight) {
      const held = table.get(key);
      const requests = held?.requests.size ?? 0;
      if (bound.requests > 0 && requests >= bound.requests) return 'requests';
      for (const what of ['pixels', 'steps'] as const)
        if (
          bound[what] > 0 &&
          weight[what] > 0 &&
          (held?.[what] ?? 0) + weightWithin(weight[what], bound[what]) > bound[what]
        )
          return what;
      return undefined;
    },
    hold(key, id, { pixels, steps }) {
      const held = table.get(key) ?? { requests: new Map<string, never>(), pixels: 0, steps: 0 };
      held.requests.set(id, { pixels, steps });
      held.pixels += pixels;
      held.steps += steps;
      table.set(key, held);
    },
    release(key, id) {
      const held = table.get(key);
      const weight = held?.requests.get(id);
      if (held === undefined || weight === undefined) return;
      held.requests.delete(id);
      held.pixels -= weight.pixels;
      held.steps -= weight.steps;
      if (held.requests.size === 0) table.delete(key);
    },
    entries: () =>
      [...table].flatMap(([key, { requests }]) =>
        [...requests].map(([id, weight]) => ({ key, id, ...weight })),
      ),
  };
}
