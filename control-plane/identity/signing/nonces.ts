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

/** What is needed of Valkey or Redis. */
export interface SharedNonceStore {
  /** Names the run of the server. @throws */
  run(): Promise<string>;
  /** @throws when it gave no answer in time. */
  script(text: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  onReady(listener: () => void): void;
  onLost(listener: () => void): void;
}

/**
 * KEYS[1]: since when, in seconds, this run of the server has remembered nonces. KEYS[2], if any: the nonce.
 * A server that was started anew may have lost what it knew, and does not vouch for what was signed before.
 */
const REMEMBER = `
local since = redis.call('GET', KEYS[1])
if not since then since = redis.call('TIME')[1] end
redis.call('SET', KEYS[1], since, 'EX', 2592000)
if not KEYS[2] then return 'ok' end
if tonumber(ARGV[1]) <= tonumber(since) then return 'unknown' end
if redis.call('SET', KEYS[2], '1', 'PX', ARGV[2], 'NX') then return 'fresh' end
return 'replayed'
`;

/** By how much the clocks of two gateways may differ, in milliseconds: so much longer nonces are kept. */
const CLOCKS_MS = 300_000;

/** In Valkey or Redis, for several gateways: one atomic script, and a time limit after which nothing is known. */
export function createSharedNonces(store: SharedNonceStore, now: () => Date): NonceStore {
  let run: Promise<string> | undefined;
  const currentRun = (): Promise<string> => {
    const asked = (run ??= store.run());
    asked.catch(() => {
      if (run === asked) run = undefined;
    });
    return asked;
  };
  const sinceKey = async (): Promise<string> => `{ip}:nonces:${await currentRun()}`;
  store.onLost(() => {
    run = undefined;
  });
  // As early as there is a server, so that what is signed from now on can be told.
  const begin = async (): Promise<void> => {
    await store.script(REMEMBER, [await sinceKey()], []);
  };
  store.onReady(() => {
    // Then the first request begins it.
    begin().catch(() => undefined);
  });
  return {
    async remember(key, issuedAt, expiresAt) {
      const nonce = `{ip}:n:${createHash('sha256').update(key).digest('base64url')}`;
      const ms = Math.max(1, expiresAt.getTime() - now().getTime()) + CLOCKS_MS;
      try {
        const since = await sinceKey();
        const answer = await store.script(
          REMEMBER,
          [since, nonce],
          [Math.floor(issuedAt.getTime() / 1000), ms],
        );
        return answer === 'fresh' || answer === 'replayed' ? answer : 'unknown';
      } catch {
        return 'unknown';
      }
    },
  };
}
