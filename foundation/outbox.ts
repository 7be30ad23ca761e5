import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';

const SEGMENT_BYTES = 1024 * 1024;
const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 5_000;

export class OutboxFullError extends Error {
  constructor(directory: string, maxBytes: number) {
    super(`${directory} holds more than ${maxBytes} bytes that could not be delivered`);
    this.name = 'OutboxFullError';
  }
}

export interface Outbox<T> {
  /** Resolves once the entry is on disk (fsync). @throws OutboxFullError: nothing was taken. */
  append(entry: T): Promise<void>;
  /** Entries on disk that are not known to be delivered. */
  pending(): number;
  /** Why the last delivery failed; undefined while deliveries succeed. */
  lastFailure(): string | undefined;
  full(): boolean;
  /** Waits up to `drainMs` for what is pending, then leaves the rest on disk for the next start. */
  close(drainMs?: number): Promise<void>;
}

export interface OutboxOptions<T> {
  directory: string;
  /** Delivers in order; rejects to be called again with the same entries. At least once: receivers count by id. */
  deliver: (entries: T[]) => Promise<void>;
  maxBytes: number;
  maxBatch: number;
  logger: Logger;
  random: () => number;
}

interface Segment {
  path: string;
  /** Bytes that are durable and may be read. */
  bytes: number;
  /** Bytes delivered. */
  offset: number;
}

interface Write<T> {
  entry: T;
  done: (error?: Error) => void;
}

/**
 * An append-only log of JSON lines in segments: a crash loses nothing that `append` has acknowledged. A segment is
 * deleted once all of it is delivered; after a crash the oldest one is delivered again from its start.
 */
export async function openOutbox<T>(options: OutboxOptions<T>): Promise<Outbox<T>> {
  const { directory, deliver, maxBytes, maxBatch, logger, random } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const segments = await existingSegments(directory);
  let nextSegment = nextNumber(segments);
  let pending = await countLines(segments);
  let writing: { handle: FileHandle; segment: Segment } | undefined;
  let queue: Write<T>[] = [];
  let flushing: Promise<void> | undefined;
  let failure: string | undefined;
  let closed = false;
  let wake: () => void = () => undefined;
  let stopSleeping: () => void = () => undefined;

  const bytesOnDisk = (): number => segments.reduce((sum, segment) => sum + segment.bytes, 0);

  async function writableSegment(): Promise<{ handle: FileHandle; segment: Segment }> {
    if (writing !== undefined && writing.segment.bytes < SEGMENT_BYTES) return writing;
    await writing?.handle.close();
    const path = join(directory, `${String(nextSegment++).padStart(12, '0')}.ndjson`);
    writing = { handle: await open(path, 'ax', 0o600), segment: { path, bytes: 0, offset: 0 } };
    segments.push(writing.segment);
    await syncDirectory(directory);
    return writing;
  }

  /** One fsync for all that arrived while the last one ran. */
  async function flush(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue;
      queue = [];
      try {
        const { handle, segment } = await writableSegment();
        const bytes = Buffer.from(batch.map(({ entry }) => `${JSON.stringify(entry)}\n`).join(''));
        await handle.appendFile(bytes);
        await handle.datasync();
        segment.bytes += bytes.length;
        pending += batch.length;
        for (const { done } of batch) done();
        wake();
      } catch (error) {
        // What part of the batch reached the disk is unknown: leave that segment, and begin another.
        const broken = writing;
        writing = undefined;
        await broken?.handle.close().catch(() => undefined);
        wake();
        for (const { done } of batch) done(error instanceof Error ? error : new Error(String(error)));
      }
    }
    flushing = undefined;
  }

  async function drop(segment: Segment): Promise<void> {
    if (writing?.segment === segment) {
      const { handle } = writing;
      writing = undefined;
      await handle.close();
    }
    segments.splice(segments.indexOf(segment), 1);
    await rm(segment.path, { force: true });
  }

  async function deliverNext(segment: Segment): Promise<void> {
    const { entries, lines, end } = await readEntries(segment, maxBatch, logger);
    if (entries.length > 0) await deliver(entries as T[]);
    segment.offset = end;
    pending -= lines;
  }

  async function deliverForever(): Promise<void> {
    let attempt = 0;
    while (!closed) {
      const [segment] = segments;
      try {
        if (segment !== undefined && segment.offset < segment.bytes) await deliverNext(segment);
        else if (segment !== undefined && flushing === undefined) await drop(segment);
        else await sleepUntilWoken(60_000);
        attempt = 0;
        failure = undefined;
      } catch (error) {
        failure = messageOf(error);
        logger.warn({ err: error, pending, directory }, 'delivery failed; it will be tried again');
        const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt++) * (0.5 + random() / 2);
        await sleepUntilWoken(delay, false);
      }
    }
  }

  async function sleepUntilWoken(ms: number, byAppend = true): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      stopSleeping = () => {
        clearTimeout(timer);
        resolve();
      };
      wake = byAppend ? stopSleeping : () => undefined;
    });
  }
  const delivering = deliverForever();

  return {
    async append(entry) {
      if (closed) throw new Error(`${directory} is closed`);
      if (bytesOnDisk() >= maxBytes) throw new OutboxFullError(directory, maxBytes);
      await new Promise<void>((resolve, reject) => {
        queue.push({
          entry,
          done: (error) => {
            if (error === undefined) resolve();
            else reject(error);
          },
        });
        flushing ??= flush();
      });
    },
    pending: () => pending,
    lastFailure: () => failure,
    full: () => bytesOnDisk() >= maxBytes,
    async close(drainMs = 0) {
      const deadline = Date.now() + drainMs;
      while (pending > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
      closed = true;
      stopSleeping();
      await delivering;
      await flushing;
      await writing?.handle.close();
    },
  };
}

async function existingSegments(directory: string): Promise<Segment[]> {
  const names = (await readdir(directory)).filter((name) => /^\d{12}\.ndjson$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const path = join(directory, name);
      return { path, bytes: (await stat(path)).size, offset: 0 };
    }),
  );
}

/** A new file's name is on the disk only once its folder is. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function nextNumber(segments: Segment[]): number {
  const last = segments.at(-1)?.path.match(/(\d{12})\.ndjson$/)?.[1];
  return last === undefined ? 1 : Number(last) + 1;
}

async function readRange(path: string, from: number, to: number): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(to - from), 0, to - from, from);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function countLines(segments: Segment[]): Promise<number> {
  let lines = 0;
  for (const { path, bytes } of segments)
    for (const byte of await readRange(path, 0, bytes)) if (byte === 0x0a) lines++;
  return lines;
}

/** A last line without its newline was torn by a crash before it was acknowledged: it is passed over. */
async function readEntries(
  segment: Segment,
  maxBatch: number,
  logger: Logger,
): Promise<{ entries: unknown[]; lines: number; end: number }> {
  // More may be written while this reads.
  const end = segment.bytes;
  const bytes = await readRange(segment.path, segment.offset, end);
  const entries: unknown[] = [];
  let start = 0;
  let lines = 0;
  for (; lines < maxBatch; lines++) {
    const newline = bytes.indexOf(0x0a, start);
    if (newline === -1) return { entries, lines, end };
    try {
      entries.push(JSON.parse(bytes.toString('utf8', start, newline)));
    } catch (error) {
      logger.error(
        { err: error, segment: segment.path, offset: segment.offset + start },
        'a damaged line was skipped',
      );
    }
    start = newline + 1;
  }
  return { entries, lines, end: segment.offset + start };
}
