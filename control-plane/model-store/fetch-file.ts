import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf } from '../../foundation/errors.ts';
import {
  blobPath,
  type Digest,
  hasBlob,
  lockPath,
  prepareStore,
  removeLeftovers,
  temporaryFolder,
  writeAt,
  writeBlob,
} from './blobs.ts';
import { downloadHttps } from './https-source.ts';
import { openPackages, type Packages } from './npm-package.ts';
import { readNpm } from './npm-source.ts';
import { type ProcessLock, tryLock } from './process-lock.ts';
import type { FetchProgress, OnProgress } from './progress.ts';
import { parseSource, type Source, SourceError } from './source.ts';

/** A file of a model, as its manifest states it. */
export interface ModelFile extends Digest {
  source: string;
}

export interface FetchOptions {
  onProgress?: OnProgress;
  signal?: AbortSignal;
  fetch?: typeof fetch;
  /** Where relative `file:` sources start; default: the working directory. */
  base?: string;
  /** Shared by several fetches, so that members of one package download it once; the caller closes it. */
  packages?: Packages;
  /** Nothing is fetched: what is not in the store is an error. */
  offline?: boolean;
}

interface Flight {
  result: Promise<string>;
  listeners: Set<OnProgress>;
  abort: AbortController;
}

const flights = new Map<string, Flight>();

/**
 * The path of a verified file in the store, `<store>/blobs/sha256/<digest>`; fetched first when it is not there. Several
 * callers of one process share one fetch, which ends when all of them have aborted; other processes wait for it.
 * @throws SourceError saying what was expected, what was found, and where.
 */
export async function fetchFile(file: ModelFile, store: string, options: FetchOptions = {}): Promise<string> {
  if (!/^[0-9a-f]{64}$/.test(file.sha256))
    throw new SourceError(file.source, 'without a sha256 of 64 hex digits a file is never loaded.');
  options.signal?.throwIfAborted();
  const key = blobPath(store, file.sha256);
  const flight = flights.get(key) ?? takeOff(key, file, store, options);
  const listener: OnProgress = (progress) => options.onProgress?.(progress);
  flight.listeners.add(listener);
  try {
    return await untilAborted(flight.result, options.signal);
  } finally {
    flight.listeners.delete(listener);
    if (flight.listeners.size === 0) flight.abort.abort();
  }
}

function takeOff(key: string, file: ModelFile, store: string, options: FetchOptions): Flight {
  const listeners = new Set<OnProgress>();
  const abort = new AbortController();
  const onProgress = (progress: FetchProgress): void => {
    for (const listener of listeners) listener(progress);
  };
  const forget = (): void => {
    flights.delete(key);
  };
  // A flight that nobody waits for any longer takes no new passengers.
  abort.signal.addEventListener('abort', forget);
  const result = fetchLocked(file, store, { ...options, signal: abort.signal, onProgress }).finally(() => {
    if (flights.get(key)?.abort === abort) forget();
  });
  // Its passengers may all have left when it fails.
  result.catch(() => undefined);
  const flight = { result, listeners, abort };
  flights.set(key, flight);
  return flight;
}

async function untilAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return result;
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    };
    signal.addEventListener('abort', leave, { once: true });
    result.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', leave);
    });
  });
}

export type Fetching = FetchOptions & { signal: AbortSignal; onProgress: OnProgress };

async function fetchLocked(file: ModelFile, store: string, options: Fetching): Promise<string> {
  await prepareStore(store);
  const lock = await lockWhenFree(lockPath(store, file.sha256), options);
  try {
    if (await hasBlob(store, file, options.onProgress)) return blobPath(store, file.sha256);
    if (options.offline === true)
      throw new SourceError(file.source, `not in ${store}, and nothing is fetched offline.`);
    await removeLeftovers(store, isAlive);
    return await writeBlob(
      store,
      file,
      (target) =>
        fill(parseSource(file.source, options.base ?? process.cwd()), file.size, target, store, options),
      options.onProgress,
      (found) => mismatch(file, found),
    );
  } finally {
    lock.release();
  }
}

function mismatch(wanted: ModelFile, found: Digest): SourceError {
  const problem =
    found.size === wanted.size
      ? `expected sha256 ${wanted.sha256}, found ${found.sha256}.`
      : `expected ${wanted.size} bytes, found ${found.size}.`;
  return new SourceError(wanted.source, `${problem} It was not kept.`, 'mismatch');
}

async function lockWhenFree(path: string, options: Fetching): Promise<ProcessLock> {
  for (;;) {
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    options.onProgress({ phase: 'waiting', bytes: 0, total: undefined });
    await delay(100, undefined, { signal: options.signal });
  }
}

/** Writes the bytes of a source, `size` of them, into a file. */
export async function fill(
  source: Source,
  size: number,
  target: FileHandle,
  store: string,
  options: Fetching,
): Promise<void> {
  const { signal, onProgress } = options;
  if (source.kind === 'file') await copyFile(source.path, size, target, options);
  else if (source.kind === 'https')
    await downloadHttps(source.url, size, target, {
      fetch: options.fetch ?? fetch,
      signal,
      onProgress,
      sleep: (ms, abort) => delay(ms, undefined, { signal: abort }),
    });
  else {
    const packages = options.packages ?? openPackages(temporaryFolder(store));
    try {
      await readNpm(source, size, target, { packages, signal, onProgress });
    } finally {
      if (options.packages === undefined) await packages.close();
    }
  }
}

async function copyFile(path: string, size: number, target: FileHandle, options: Fetching): Promise<void> {
  const handle = await open(path, constants.O_RDONLY).catch((error: unknown) => {
    throw new SourceError(`file:${path}`, `cannot be read: ${messageOf(error)}`, 'missing');
  });
  try {
    const info = await handle.stat();
    if (!info.isFile()) throw new SourceError(`file:${path}`, 'is not a file.');
    if (info.size !== size)
      throw new SourceError(`file:${path}`, `expected ${size} bytes, found ${info.size}.`, 'mismatch');
    let copied = 0;
    for await (const chunk of handle.createReadStream({ autoClose: false, end: size })) {
      options.signal.throwIfAborted();
      const bytes = chunk as Buffer;
      await writeAt(target, bytes, copied);
      copied += bytes.length;
      options.onProgress({ phase: 'unpacking', bytes: copied, total: size });
    }
  } finally {
    await handle.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}
