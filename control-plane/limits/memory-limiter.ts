import { createLeaseTable, type LeaseTable } from './leases.ts';
import type { Claims, LeaseBound, LimitAnswer, Limiter } from './limiter.ts';
import { createSlidingWindow, type SlidingWindow, type WindowAnswer } from './sliding-window.ts';

export interface LocalCounts {
  windows: SlidingWindow;
  leases: LeaseTable;
}

export function createLocalCounts(options: { windowMs: number; maxKeys: number }): LocalCounts {
  return { windows: createSlidingWindow(options), leases: createLeaseTable() };
}

export interface LocalClock {
  /** Monotonic. */
  nowMs: () => number;
  /** Milliseconds since the epoch. */
  wallMs: () => number;
}

/** A share of a limit; of a limit that is none, none. */
const shareOf = (limit: number, gateways: number): number => Math.floor(limit / gateways);

/** As if all of the limits were divided by `gateways`, and this process had one part. */
export function takeLocally(
  { windows, leases }: LocalCounts,
  claims: Claims,
  gateways: number,
  { nowMs, wallMs }: LocalClock,
): LimitAnswer {
  const now = nowMs();
  const limits = claims.windows.map(({ limit }) => shareOf(limit, gateways));
  const looks = claims.windows.map(({ key }, index) => windows.look(key, limits[index] ?? 0, now));
  const full = looks.findIndex(({ admitted }) => !admitted);
  if (full !== -1) return { kind: 'window', policy: claims.windows[full]?.policy ?? '', windows: looks };
  for (const claim of claims.leases) {
    const bound = sharedBound(claim.bound, gateways);
    const what =
      bound === undefined ? firstBound(claim.bound) : leases.spent({ ...claim, bound }, claims.weight);
    if (what !== undefined)
      return { kind: 'lease', policy: claim.policy, what, limit: bound?.[what] ?? 0, windows: looks };
  }
  for (const { key } of claims.leases) leases.hold(key, claims.id, claims.weight);
  const taken = claims.windows.map(({ key }, index): WindowAnswer =>
    windows.take(key, limits[index] ?? 0, now, claims.id),
  );
  return { kind: 'admitted', at: wallMs(), windows: taken };
}

/** Undefined when a bound is so small that a share of it is nothing: 0 would mean that there is none. */
function sharedBound(bound: LeaseBound, gateways: number): LeaseBound | undefined {
  const shared = {
    requests: shareOf(bound.requests, gateways),
    pixels: shareOf(bound.pixels, gateways),
    steps: shareOf(bound.steps, gateways),
  };
  const vanished = (['requests', 'pixels', 'steps'] as const).some(
    (what) => bound[what] > 0 && shared[what] === 0,
  );
  return vanished ? undefined : shared;
}

function firstBound(bound: LeaseBound): keyof LeaseBound {
  return (['requests', 'pixels', 'steps'] as const).find((what) => bound[what] > 0) ?? 'requests';
}

export function releaseLocally({ leases }: LocalCounts, claims: Claims): void {
  for (const { key } of claims.leases) leases.release(key, claims.id);
}

export function giveBackLocally(counts: LocalCounts, claims: Claims): void {
  releaseLocally(counts, claims);
  for (const { key } of claims.windows) counts.windows.giveBack(key, claims.id);
}

/** For one gateway alone: exact, and nothing outside can be away. */
export function createMemoryLimiter(
  options: { windowMs: number; maxKeys: number },
  clock: LocalClock,
): Limiter {
  const counts = createLocalCounts(options);
  return {
    windowMs: options.windowMs,
    take: (claims) => Promise.resolve(takeLocally(counts, claims, 1, clock)),
    release: (claims) => {
      releaseLocally(counts, claims);
    },
    giveBack: (claims) => {
      giveBackLocally(counts, claims);
    },
    away: () => false,
    everReached: () => true,
    problem: () => undefined,
    close: () => Promise.resolve(),
  };
}
