import { createHash } from 'node:crypto';
import { createReplayCache } from '../../../foundation/replay-cache.ts';

/** Remembers what was seen. `unknown` when it cannot be told, and the caller must refuse. */
export interface NonceStore {
  remember(key: string, issuedAt: Date, expiresAt: Date): Promise<'fresh' | 'replayed' | 'unknown'>;
}

/**
 * In memory, for one gateway. What was signed before it started may have been seen by the process before it, and is
 * therefore unknown.
 */
export function createMemoryNonces(options: { maxEntries: number; now: () => Date }): NonceStore {
  const cache = createReplayCache(options);
  const startedAt = Math.floor(options.now().getTime() / 1000) * 1000;
  return {
    remember(key, issuedAt, expiresAt) {
      if (issuedAt.getTime() < startedAt) return Promise.resolve('unknown');
      const answer = cache.remember(key, expiresAt);
      return Promise.resolve(answer === 'full' ? 'unknown' : answer);
    },
  };
}

/** The one command of Valkey or Redis that is needed. */
export interface SetIfAbsent {
  set(key: string, value: string, px: 'PX', milliseconds: number, nx: 'NX'): Promise<'OK' | null>;
}

/** In Valkey or Redis, for several gateways: one atomic command, and a time limit after which nothing is known. */
export function createSharedNonces(
  client: SetIfAbsent,
  options: { timeoutMs: number; now: () => Date },
): NonceStore {
  return {
    async remember(key, _issuedAt, expiresAt) {
      const name = `imageplane:nonce:${createHash('sha256').update(key).digest('base64url')}`;
      const ms = Math.max(1, expiresAt.getTime() - options.now().getTime());
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => {
          resolve('late');
        }, options.timeoutMs);
      });
      try {
        const answer = await Promise.race([client.set(name, '1', 'PX', ms, 'NX'), late]);
        if (answer === 'late') return 'unknown';
        return answer === 'OK' ? 'fresh' : 'replayed';
      } catch {
        return 'unknown';
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
