import type { Reservation, ReserveResult } from '../quota/ledger.ts';
import type { Bound, Scope } from '../quota/units.ts';

export type Refused = Extract<ReserveResult, { admitted: false }>;

/** Refusals of a moment ago, so that a burst against a spent quota does not reach the database. */
export interface Spent {
  note(reservation: Reservation, bounds: readonly Bound[], refused: Refused): void;
  /** The refusal that would come again: of the same quota with the same bound, for at least as much. */
  find(reservation: Reservation, bounds: readonly Bound[]): Refused | undefined;
}

/** An administrator who resets or grants, and what is given back, are seen after `forMs`. Bounded by `maxEntries`. */
export function createSpent(options: { forMs: number; maxEntries: number; nowMs: () => number }): Spent {
  const { forMs, maxEntries, nowMs } = options;
  const known = new Map<string, { refused: Refused; amount: number; bound: number; untilMs: number }>();
  const subjectOf = ({ tenant, project, principal }: Reservation, scope: Scope): string =>
    JSON.stringify([scope, tenant, { tenant: '', project, user: principal }[scope]]);
  return {
    note(reservation, bounds, refused) {
      const key = subjectOf(reservation, refused.scope);
      known.delete(key);
      const oldest = known.keys().next().value;
      if (known.size >= maxEntries && oldest !== undefined) known.delete(oldest);
      known.set(key, {
        refused,
        amount: reservation[refused.unit],
        bound: boundOf(bounds, refused),
        untilMs: nowMs() + forMs,
      });
    },
    find(reservation, bounds) {
      for (const scope of ['tenant', 'project', 'user'] as const) {
        const key = subjectOf(reservation, scope);
        const found = known.get(key);
        if (found === undefined) continue;
        if (nowMs() >= found.untilMs) {
          known.delete(key);
          continue;
        }
        const { refused, amount, bound } = found;
        if (boundOf(bounds, refused) === bound && reservation[refused.unit] >= amount) return refused;
      }
      return undefined;
    },
  };
}

/** Without what an administrator granted besides, which only the database knows. */
function boundOf(bounds: readonly Bound[], { scope, period, unit }: Refused): number {
  return bounds.find((bound) => bound.scope === scope && bound.period === period)?.[unit] ?? 0;
}
