export interface ReplayCache {
  /** `full` when too many ids are live at once: then nothing can be told, and the caller must refuse. */
  remember(id: string, expiresAt: Date): 'fresh' | 'replayed' | 'full';
}

/** Remembers ids until they expire. Ids are taken to arrive about in the order in which they expire. */
export function createReplayCache(options: { maxEntries: number; now: () => Date }): ReplayCache {
  const expiries = new Map<string, number>();
  return {
    remember(id, expiresAt) {
      const now = options.now().getTime();
      for (const [old, expiry] of expiries) {
        if (expiry > now) break;
        expiries.delete(old);
      }
      const known = expiries.get(id);
      if (known !== undefined && known > now) return 'replayed';
      if (expiries.size >= options.maxEntries) return 'full';
      expiries.delete(id);
      expiries.set(id, expiresAt.getTime());
      return 'fresh';
    },
  };
}
