import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CryptoKey } from 'jose';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { verifySnapshot } from '../../contracts/snapshot.ts';
import { routeTo } from '../../foundation/address.ts';
import { readSecret } from '../../foundation/config.ts';
import { hasCode, messageOf } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';
import { compilePolicies, type Policies } from './policies.ts';

const MAX_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 5_000;
const LAST_RETRY_MS = 10_000;
/** A confirmation alone is written to the disk no more often than this. */
const REWRITE_MS = 30_000;
const REFRESH_MS = 2_000;

export interface SnapshotClient {
  /** What to decide by; undefined when there is none, or it is too old. */
  current(): Policies | undefined;
  /** Seconds since the API last said that it is current; Infinity when never. */
  ageSeconds(): number;
  /** Why it is not current, in words; undefined while polls succeed. */
  lastFailure(): string | undefined;
  /** Polls now, once for however many ask, and resolves after it; never later than `REFRESH_MS`. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

export interface SnapshotClientOptions {
  url: string;
  tokenFile: string;
  publicKey: CryptoKey;
  cache: string;
  intervalMs: number;
  maxAgeSeconds: number;
  logger: Logger;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** After each poll, changed or not. */
  onPoll: (policies: Policies | undefined) => void;
}

const cacheFile = z.strictObject({ token: z.string(), etag: z.string(), confirmedAt: z.number() });
type Held = z.infer<typeof cacheFile> & { policies: Policies };

/**
 * Keeps the newest signed snapshot: from the disk at the start, then by polling. An answer that is unsigned, malformed
 * or issued before the one held changes nothing, so that nobody brings revoked keys back by replaying an old answer.
 */
export async function startSnapshotClient(options: SnapshotClientOptions): Promise<SnapshotClient> {
  const { logger, now, intervalMs, maxAgeSeconds } = options;
  const { url, socketPath } = routeTo(options.url);
  const agent = new Agent({
    maxResponseSize: MAX_BYTES,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    connect: { timeout: TIMEOUT_MS, ...(socketPath === undefined ? {} : { socketPath }) },
  });
  let held = await readCache(options);
  let writtenAt = held?.confirmedAt ?? 0;
  let failure: string | undefined = 'the API has not been asked yet';
  let stopped = false;
  let wake: () => void = () => undefined;
  /** Those who wait for the poll that begins next. */
  let waiting: (() => void)[] = [];

  async function poll(): Promise<void> {
    const answer = await fetchSnapshot({ url, tokenFile: options.tokenFile }, agent, held?.etag);
    if (answer === 'unchanged' && held !== undefined) held = { ...held, confirmedAt: now() };
    if (answer !== 'unchanged') {
      const policies = compilePolicies(await verifySnapshot(answer.token, options.publicKey));
      if (held !== undefined && policies.issuedAt < held.policies.issuedAt)
        throw new Error(`the API gave version ${policies.version}, issued before the one held`);
      held = { ...answer, confirmedAt: now(), policies };
      writtenAt = 0;
      logger.info({ version: policies.version }, 'snapshot adopted');
    }
    if (held !== undefined && now() - writtenAt > REWRITE_MS) {
      await writeCache(options.cache, held);
      writtenAt = now();
    }
  }

  const ageSeconds = (): number =>
    held === undefined ? Infinity : Math.max(0, now() - held.confirmedAt) / 1000;
  const current = (): Policies | undefined => (ageSeconds() <= maxAgeSeconds ? held?.policies : undefined);

  async function pollForever(): Promise<void> {
    let failures = 0;
    while (!stopped) {
      const answered = waiting;
      waiting = [];
      try {
        await poll();
        failures = 0;
        failure = undefined;
      } catch (error) {
        failure = messageOf(error);
        if (failures++ % 20 === 0) logger.warn({ err: error, failures }, 'no fresh snapshot');
      }
      options.onPoll(current());
      for (const resolve of answered) resolve();
      if (waiting.length > 0) continue;
      const delay = failures === 0 ? intervalMs : Math.min(LAST_RETRY_MS, intervalMs * 2 ** failures);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, delay);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (stopped) wake();
      });
    }
  }
  const polling = pollForever();

  return {
    ageSeconds,
    current,
    lastFailure: () => failure,
    async refresh() {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        timer = setTimeout(resolve, REFRESH_MS);
        wake();
      });
      clearTimeout(timer);
    },
    async stop() {
      stopped = true;
      wake();
      await agent.destroy();
      await polling;
    },
  };
}

async function fetchSnapshot(
  { url, tokenFile }: { url: URL; tokenFile: string },
  dispatcher: Agent,
  etag: string | undefined,
): Promise<'unchanged' | { token: string; etag: string }> {
  const { statusCode, headers, body } = await request(url, {
    dispatcher,
    headers: {
      authorization: `Bearer ${await readSecret(tokenFile)}`,
      ...(etag === undefined || etag === '' ? {} : { 'if-none-match': etag }),
    },
  });
  const token = await body.text();
  if (statusCode === 304) return 'unchanged';
  if (statusCode !== 200) throw new Error(`the API answered ${statusCode} when asked for the snapshot`);
  return { token: token.trim(), etag: typeof headers['etag'] === 'string' ? headers['etag'] : '' };
}

async function readCache(options: SnapshotClientOptions): Promise<Held | undefined> {
  const { cache, publicKey, logger, now } = options;
  try {
    const { token, etag, confirmedAt } = cacheFile.parse(JSON.parse(await readFile(cache, 'utf8')));
    const policies = compilePolicies(await verifySnapshot(token, publicKey));
    return { token, etag, confirmedAt: Math.min(confirmedAt, now()), policies };
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) logger.warn({ err: error, cache }, 'the snapshot on disk cannot be used');
    return undefined;
  }
}

async function writeCache(path: string, { token, etag, confirmedAt }: Held): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify({ token, etag, confirmedAt }));
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(draft, path);
}
