/** What is counted. Integers only, so that sums are exact; compute time is in milliseconds. */
export const units = ['requests', 'pixels', 'steps', 'computeMs'] as const;
export type Unit = (typeof units)[number];
export type Amounts = Record<Unit, number>;

export const periods = ['day', 'month'] as const;
export type Period = (typeof periods)[number];

/** Who a balance belongs to. */
export const scopes = ['tenant', 'project', 'user'] as const;
export type Scope = (typeof scopes)[number];

/** A bound on the balance of a period; 0 or absent is none. */
export interface Bound extends Partial<Amounts> {
  scope: Scope;
  period: Period;
}

export const NOTHING: Amounts = { requests: 0, pixels: 0, steps: 0, computeMs: 0 };

/** Whether anything is bounded. */
export function isBounded(bounds: readonly Bound[]): boolean {
  return bounds.some((bound) => units.some((unit) => (bound[unit] ?? 0) > 0));
}
