export interface ReplayCache {
  /** Takes an id until it expires. `replayed`: it was taken before. `full`: no room, so it cannot be told. */
  take(id: string, expiresAtMs: number, nowMs: number): 'taken' | 'replayed' | 'full';
  size(): number;
}

/** Remembers one-time ids while they are valid. Bounded: when it is full of valid ones it refuses rather than forgets. */
export function createReplayCache(capacity: number): ReplayCache {
  // In order of arrival. Ids live about equally long, so that the expired ones are at the front.
  const expiries = new Map<string, number>();
  function forgetExpired(nowMs: number): void {
    for (const [id, expiresAtMs] of expiries) {
      if (expiresAtMs > nowMs) return;
      expiries.delete(id);
    }
  }
  return {
    take(id, expiresAtMs, nowMs) {
      forgetExpired(nowMs);
      if (expiries.has(id)) return 'replayed';
      if (expiries.size >= capacity) return 'full';
      expiries.set(id, expiresAtMs);
      return 'taken';
    },
    size: () => expiries.size,
  };
}
