import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { blobError, type ModelFetchReason } from '../../contracts/model-fetch.ts';
import { messageOf } from '../../foundation/errors.ts';
import { mismatchOf } from '../worker/verify.ts';

const HEADERS_LIMIT_MS = 60_000;
const IDLE_LIMIT_MS = 60_000;
/** Tries in a row in which neither a byte came nor the store got further. */
const MAX_IDLE_TRIES = 8;
/** The store may hear of a model a moment after its pod. */
const MAX_UNKNOWN_TRIES = 4;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

export interface WantedFile {
  /** Where it is put. */
  path: string;
  sha256: string;
  /** Bytes. */
  size: number;
}

export interface DownloadOptions {
  /** Base URL of the model store. */
  store: string;
  fetch: typeof fetch;
  sleep: (ms: number) => Promise<void>;
  random: () => number;
  report: (message: string) => void;
}

/** Why a model cannot be had; ends the program with the exit code of `reason`. */
export class ModelFetchError extends Error {
  readonly reason: ModelFetchReason;

  constructor(reason: ModelFetchReason, message: string) {
    super(message);
    this.name = 'ModelFetchError';
    this.reason = reason;
  }
}

/** Worth another try; `final` is what it is when the tries are used up. */
class TransientError extends Error {
  readonly final: ModelFetchReason;
  /** How far the store has come, where it said so. */
  readonly storeBytes: number;

  constructor(message: string, final: ModelFetchReason = 'Unreachable', storeBytes = 0) {
    super(message);
    this.final = final;
    this.storeBytes = storeBytes;
  }
}

/**
 * Brings one file from the model store to its path, whole and with the digest of its manifest. What an earlier run had
 * received is gone on with.
 * @throws ModelFetchError
 */
export async function downloadBlob(file: WantedFile, options: DownloadOptions): Promise<void> {
  if ((await problemOf(file)) === undefined) return;
  await mkdir(dirname(file.path), { recursive: true });
  const part = `${file.path}.part`;
  const resumed = (await sizeOf(part)) > 0;
  await receiveAll(file, part, options);
  let wrong = await problemOf({ ...file, path: part });
  if (wrong !== undefined) await rm(part, { force: true });
  if (wrong !== undefined && resumed) {
    // What an earlier run left behind may have been damaged: the store is blamed only for what it sent.
    await receiveAll(file, part, options);
    wrong = await problemOf({ ...file, path: part });
  }
  if (wrong !== undefined) {
    await rm(part, { force: true });
    throw new ModelFetchError(
      'DigestMismatch',
      `What the model store sent for ${file.sha256} is something else: ${wrong}. Check the model's sha256 and size.`,
    );
  }
  await rename(part, file.path);
}

/** Tries until all bytes are there. Tries that bring nothing are bounded. @throws ModelFetchError */
async function receiveAll(file: WantedFile, part: string, options: DownloadOptions): Promise<void> {
  let idle = 0;
  let furthest = 0;
  for (;;) {
    const before = await sizeOf(part);
    try {
      await receive(file, part, options);
      return;
    } catch (error) {
      if (!(error instanceof TransientError)) throw asFetchError(error);
      const progressed = (await sizeOf(part)) > before || error.storeBytes > furthest;
      furthest = Math.max(furthest, error.storeBytes);
      idle = progressed ? 0 : idle + 1;
      if (idle >= (error.final === 'NotFound' ? MAX_UNKNOWN_TRIES : MAX_IDLE_TRIES))
        throw new ModelFetchError(error.final, error.message);
      options.report(error.message);
      const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** idle);
      await options.sleep(delay * (0.5 + options.random() / 2));
    }
  }
}

async function problemOf(file: WantedFile): Promise<string | undefined> {
  return mismatchOf(file).catch((error: unknown) => messageOf(error));
}

const sizeOf = async (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** Writes what is missing of the file behind what is there. */
async function receive(file: WantedFile, part: string, options: DownloadOptions): Promise<void> {
  let handle: FileHandle | undefined;
  const silence = new AbortController();
  let timer = setTimeout(giveUp, HEADERS_LIMIT_MS);
  function giveUp(): void {
    silence.abort(new Error('the model store was silent for too long'));
  }
  try {
    handle = await open(part, 'a', 0o644);
    let received = (await handle.stat()).size;
    if (received >= file.size) {
      if (received === file.size) return;
      await handle.truncate(0);
      received = 0;
    }
    const response = await ask(file, received, options, silence.signal);
    if (response.status === 200 && received > 0) {
      await handle.truncate(0);
      received = 0;
    }
    // The types of fetch leave open what a body is made of; it is always bytes.
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, IDLE_LIMIT_MS);
      await handle.appendFile(chunk);
      received += chunk.length;
      if (received > file.size) return;
    }
    if (received < file.size)
      throw new TransientError(`The connection ended after ${received} of ${file.size} bytes.`);
    await handle.sync();
  } catch (error) {
    throw error instanceof ModelFetchError || error instanceof TransientError || isFull(error)
      ? error
      : new TransientError(`The model store at ${options.store} cannot be reached: ${causeOf(error)}.`);
  } finally {
    clearTimeout(timer);
    await handle?.close();
  }
}

async function ask(
  { sha256 }: WantedFile,
  received: number,
  { store, fetch }: DownloadOptions,
  signal: AbortSignal,
): Promise<Response> {
  const range = received > 0 ? { range: `bytes=${received}-`, 'if-range': `"${sha256}"` } : undefined;
  const response = await fetch(new URL(`/blobs/sha256/${sha256}`, store), {
    signal,
    headers: { 'accept-encoding': 'identity', ...range },
  });
  if (response.status === 200 || response.status === 206) return response;
  throw refusalOf(response.status, await response.text().catch(() => ''));
}

const answer = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z.object({ bytes: z.number() }).optional(),
  }),
});

/** What the store's answer means for the pod. */
export function refusalOf(status: number, body: string): Error {
  const { code, message, details } = parse(body) ?? {
    code: '',
    message: `The model store answered ${status}.`,
  };
  switch (code) {
    case blobError.unknown:
      return new TransientError(message, 'NotFound');
    case blobError.fetching:
      return new TransientError(message, 'Unreachable', details?.bytes ?? 0);
    case blobError.mismatch:
      return new ModelFetchError('DigestMismatch', message);
    case blobError.missing:
      return new ModelFetchError('NotFound', message);
    case blobError.full:
      return new ModelFetchError('NoSpace', message);
    default:
      return new TransientError(message);
  }
}

function parse(body: string): z.infer<typeof answer>['error'] | undefined {
  try {
    return answer.parse(JSON.parse(body)).error;
  } catch {
    return undefined;
  }
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOSPC';

function asFetchError(error: unknown): unknown {
  if (!isFull(error)) return error;
  return new ModelFetchError('NoSpace', 'The pod has no room for its model. Give it more ephemeral storage.');
}

/** `fetch failed` says nothing; its cause does. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
}
