/** Values by key, bounded by bytes and by age; the least recently used leave first. */
export interface ResultCache<T> {
  get(key: string): T | undefined;
  /** A value larger than the whole cache is not kept. */
  set(key: string, value: T, bytes: number): void;
  /** Forgets what `matches`. */
  forget(matches: (value: T) => boolean): void;
  bytes(): number;
}

interface Entry<T> {
  value: T;
  bytes: number;
  expiresAt: number;
}

export function createResultCache<T>(options: {
  maxBytes: number;
  ttlMs: number;
  now: () => number;
}): ResultCache<T> {
  const { maxBytes, ttlMs, now } = options;
  const entries = new Map<string, Entry<T>>();
  let total = 0;

  function drop(key: string): void {
    total -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  }

  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      drop(key);
      if (entry.expiresAt <= now()) return undefined;
      entries.set(key, entry);
      total += entry.bytes;
      return entry.value;
    },
    set(key, value, bytes) {
      drop(key);
      if (bytes > maxBytes) return;
      entries.set(key, { value, bytes, expiresAt: now() + ttlMs });
      total += bytes;
      for (const oldest of entries.keys()) {
        if (total <= maxBytes) break;
        drop(oldest);
      }
    },
    forget(matches) {
      for (const [key, { value }] of entries) if (matches(value)) drop(key);
    },
    bytes: () => total,
  };
}
