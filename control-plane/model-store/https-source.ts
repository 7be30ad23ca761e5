import type { FileHandle } from 'node:fs/promises';
import { messageOf } from '../../foundation/errors.ts';
import { writeAt } from './blobs.ts';
import type { OnProgress } from './progress.ts';
import { SourceError } from './source.ts';

const MAX_REDIRECTS = 5;
const MAX_ATTEMPTS = 8;
const HEADERS_LIMIT_MS = 30_000;
const IDLE_LIMIT_MS = 60_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

export interface HttpsOptions {
  fetch: typeof fetch;
  signal: AbortSignal;
  onProgress: OnProgress;
  /** Resolves after so many milliseconds, rejects when the signal aborts. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A fault of the line or of the server's moment: worth another try. */
class TransientError extends Error {}

/**
 * Downloads exactly `size` bytes into `target`. A broken connection is resumed from where it broke, a few times.
 * @throws SourceError for answers that will not get better and sizes that differ, Error when the tries are used up.
 */
export async function downloadHttps(
  url: URL,
  size: number,
  target: FileHandle,
  options: HttpsOptions,
): Promise<void> {
  const state: Download = { received: 0, etag: undefined };
  for (let attempt = 1; ; attempt++) {
    try {
      await downloadOnce(url, size, target, options, state);
      return;
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof SourceError) throw error;
      if (attempt >= MAX_ATTEMPTS)
        throw new SourceError(url.href, `could not be downloaded: ${messageOf(error)}`);
      await options.sleep(Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt - 1)), options.signal);
    }
  }
}

/**
 * The size that a server announces for a file; its bytes are not read.
 * @throws SourceError when it announces none, Error when it cannot be reached.
 */
export async function announcedSize(
  url: URL,
  options: Pick<HttpsOptions, 'fetch' | 'signal'>,
): Promise<number> {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(HEADERS_LIMIT_MS)]);
  const response = await request(url, options.fetch, signal, { received: 0, etag: undefined });
  const length = response.headers.get('content-length');
  await response.body?.cancel();
  if (length === null || !(Number(length) > 0))
    throw new SourceError(url.href, 'does not say how large the file is.');
  return Number(length);
}

interface Download {
  received: number;
  etag: string | undefined;
}

async function downloadOnce(
  url: URL,
  size: number,
  target: FileHandle,
  options: HttpsOptions,
  state: Download,
): Promise<void> {
  const idle = new AbortController();
  let timer = setTimeout(giveUp, HEADERS_LIMIT_MS);
  function giveUp(): void {
    idle.abort(new TransientError('no byte arrived for too long'));
  }
  try {
    const signal = AbortSignal.any([options.signal, idle.signal]);
    const response = await request(url, options.fetch, signal, state);
    startFrom(response, state);
    assertLength(url, response, size, state);
    for await (const chunk of bytesOf(response)) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, IDLE_LIMIT_MS);
      if (state.received + chunk.length > size)
        throw new SourceError(url.href, `expected ${size} bytes, found more.`, 'mismatch');
      await writeAt(target, chunk, state.received);
      state.received += chunk.length;
      options.onProgress({ phase: 'downloading', bytes: state.received, total: size });
    }
  } finally {
    clearTimeout(timer);
  }
  if (state.received < size)
    throw new TransientError(`the connection ended after ${state.received} of ${size} bytes`);
}

/** The types of fetch leave open what a body is made of; it is always bytes. */
function bytesOf(response: Response): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  return response.body === null ? [] : (response.body as ReadableStream<Uint8Array>);
}

/** Without a matching 206 the server sends the whole file again. */
function startFrom(response: Response, state: Download): void {
  const from = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1];
  if (response.status !== 206) state.received = 0;
  else if (Number(from) !== state.received) {
    state.received = 0;
    state.etag = undefined;
    throw new TransientError('the server resumed at another place than asked');
  }
  state.etag = response.headers.get('etag') ?? undefined;
}

function assertLength(url: URL, response: Response, size: number, state: Download): void {
  const length = response.headers.get('content-length');
  if (length === null || response.headers.has('content-encoding')) return;
  const announced = Number(length) + state.received;
  if (announced !== size)
    throw new SourceError(url.href, `expected ${size} bytes, found ${announced}.`, 'mismatch');
}

async function request(
  url: URL,
  fetcher: typeof fetch,
  signal: AbortSignal,
  state: Download,
): Promise<Response> {
  let current = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const headers = {
      'accept-encoding': 'identity',
      // A weak or missing validator cannot say that the rest belongs to what is here already.
      ...(state.received > 0 && state.etag?.startsWith('"') === true
        ? { range: `bytes=${state.received}-`, 'if-range': state.etag }
        : {}),
    };
    const response = await fetcher(current.href, { redirect: 'manual', signal, headers });
    if (response.status < 300 || response.status > 399) return checked(url, response);
    const location = response.headers.get('location');
    await response.body?.cancel();
    if (location === null || !URL.canParse(location, current.href))
      throw new SourceError(url.href, `answered ${response.status} without a place to go to.`);
    current = new URL(location, current);
    if (current.protocol !== 'https:')
      throw new SourceError(url.href, `leads to ${current.protocol}//${current.host}, which is not https.`);
  }
  throw new SourceError(url.href, `leads on more than ${MAX_REDIRECTS} times.`);
}

async function checked(url: URL, response: Response): Promise<Response> {
  if (response.status === 200 || response.status === 206) return response;
  await response.body?.cancel();
  if (response.status === 429 || response.status >= 500)
    throw new TransientError(`the server answered ${response.status}`);
  const missing = response.status === 404 || response.status === 410;
  throw new SourceError(url.href, `the server answered ${response.status}.`, missing ? 'missing' : 'failed');
}
