import { messageOf } from '../../foundation/errors.ts';
import type { Catalogue, ListedFile } from './catalogue.ts';
import type { ModelFile } from './fetch-file.ts';
import type { FetchProgress, OnProgress } from './progress.ts';
import { SourceError, type SourceFailure } from './source.ts';
import { StoreFullError } from './space.ts';

/** How long a source that failed is left alone. */
const REMEMBER_FAILURE_MS = 15_000;
const MAX_FAILURES = 1_000;
/** Blobs waited for at once, those in the queue included. */
const MAX_FLIGHTS = 64;

export type BlobOutcome =
  | { kind: 'present'; path: string }
  | { kind: 'unknown' }
  | { kind: 'fetching'; progress: FetchProgress }
  | { kind: 'failed'; failure: SourceFailure | 'full'; message: string };

export interface FetcherOptions {
  catalogue: () => Catalogue;
  /** The path of the verified blob, fetched first when it is not there. */
  fetchFile: (file: ModelFile, onProgress: OnProgress, offline: boolean) => Promise<string>;
  /** Makes so much room beside what is reserved for others. @throws StoreFullError */
  makeRoom: (file: ModelFile, reserved: number) => Promise<void>;
  concurrent: number;
  nowMs: () => number;
  onEnd: (outcome: 'present' | SourceFailure | 'full', file: ModelFile) => void;
}

interface Flight {
  result: Promise<BlobOutcome>;
  progress: FetchProgress;
  reserved: number;
}

export interface Fetcher {
  /** Waits `waitMs` at most; what is still on its way then goes on without the caller. */
  ensure(sha256: string, waitMs: number): Promise<BlobOutcome>;
  inFlight(): number;
}

/** One flight for each blob, however many ask; a bounded number of them fetch at once. */
export function createFetcher(options: FetcherOptions): Fetcher {
  const { catalogue, concurrent, nowMs } = options;
  const flights = new Map<string, Flight>();
  const failures = new Map<string, { outcome: BlobOutcome; untilMs: number }>();
  const waiting: (() => void)[] = [];
  let running = 0;

  async function slot(): Promise<void> {
    if (running >= concurrent) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
  }

  function release(): void {
    const next = waiting.shift();
    // The place goes to whoever waits longest, before anybody else can take it.
    if (next === undefined) running -= 1;
    else next();
  }

  function remember(sha256: string, outcome: BlobOutcome): void {
    if (outcome.kind !== 'failed') return;
    failures.delete(sha256);
    failures.set(sha256, { outcome, untilMs: nowMs() + REMEMBER_FAILURE_MS });
    const [oldest] = failures.keys();
    if (failures.size > MAX_FAILURES && oldest !== undefined) failures.delete(oldest);
  }

  function takeOff(sha256: string, files: readonly ListedFile[]): Flight {
    const flight: Flight = {
      progress: { phase: 'waiting', bytes: 0, total: files[0]?.size },
      reserved: 0,
      result: Promise.resolve({ kind: 'unknown' }),
    };
    flights.set(sha256, flight);
    flight.result = fly(flight, files).finally(() => {
      flights.delete(sha256);
    });
    void flight.result.then((outcome) => {
      remember(sha256, outcome);
    });
    return flight;
  }

  async function fly(flight: Flight, files: readonly ListedFile[]): Promise<BlobOutcome> {
    await slot();
    try {
      let last: BlobOutcome = { kind: 'unknown' };
      for (const file of files) {
        last = await attempt(flight, file);
        if (last.kind === 'present') return last;
      }
      return last;
    } finally {
      release();
    }
  }

  async function attempt(flight: Flight, file: ListedFile): Promise<BlobOutcome> {
    const onProgress: OnProgress = (progress) => (flight.progress = progress);
    try {
      const there = await options.fetchFile(file, onProgress, true).catch(() => undefined);
      if (there !== undefined) return present(there, file);
      if (!file.fetchable) return unfetchable(file);
      const reserved = [...flights.values()].reduce((sum, other) => sum + other.reserved, 0);
      flight.reserved = file.size;
      await options.makeRoom(file, reserved);
      return present(await options.fetchFile(file, onProgress, false), file);
    } catch (error) {
      const failure = failureOf(error);
      options.onEnd(failure, file);
      return { kind: 'failed', failure, message: messageOf(error) };
    } finally {
      flight.reserved = 0;
    }
  }

  function present(path: string, file: ModelFile): BlobOutcome {
    options.onEnd('present', file);
    return { kind: 'present', path };
  }

  return {
    async ensure(sha256, waitMs) {
      const files = catalogue().get(sha256);
      if (files === undefined) return { kind: 'unknown' };
      const failed = failures.get(sha256);
      if (failed !== undefined && failed.untilMs > nowMs()) return failed.outcome;
      const known = flights.get(sha256);
      if (known === undefined && flights.size >= MAX_FLIGHTS)
        return { kind: 'fetching', progress: { phase: 'waiting', bytes: 0, total: files[0]?.size } };
      const flight = known ?? takeOff(sha256, files);
      return (await within(flight.result, waitMs)) ?? { kind: 'fetching', progress: flight.progress };
    },
    inFlight: () => flights.size,
  };
}

function unfetchable({ source }: ModelFile): BlobOutcome {
  const message =
    `${source}: the model store reads files only for a ClusterImageModel and below its folder of files. ` +
    'Put the file there, or give the model an https or npm source.';
  return { kind: 'failed', failure: 'missing', message };
}

function failureOf(error: unknown): SourceFailure | 'full' {
  if (error instanceof StoreFullError) return 'full';
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return 'full';
  return error instanceof SourceError ? error.failure : 'failed';
}

async function within<T>(result: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      resolve(undefined);
    }, ms);
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
  }
}
