import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../foundation/errors.ts';
import { prepareStore, temporaryFolder } from './blobs.ts';
import { type Fetching, fill } from './fetch-file.ts';
import { announcedSize } from './https-source.ts';
import { openPackages, type Packages } from './npm-package.ts';
import { sizeInNpm } from './npm-source.ts';
import { parseSource, type Source, SourceError } from './source.ts';

const MAX_BYTES = 64 * 1024 ** 3;

/** Bytes that nobody has vouched for yet. They are not in the store, and go when `discard` is called. */
export interface FirstFetch {
  path: string;
  size: number;
  sha256: string;
  /** For comparison with what publishers state; it proves nothing against a forger. */
  md5: string;
  discard(): Promise<void>;
}

/**
 * Fetches a file whose digest is not known, beside the store rather than into it, so that a person can decide on it.
 * @throws SourceError, Error when it cannot be had.
 */
export async function fetchFirst(
  source: string,
  store: string,
  options: Omit<Fetching, 'packages' | 'offline'>,
): Promise<FirstFetch> {
  await prepareStore(store);
  const parsed = parseSource(source, options.base ?? process.cwd());
  const path = join(temporaryFolder(store), `${process.pid}-first-${randomUUID()}`);
  const packages = openPackages(temporaryFolder(store));
  const discard = (): Promise<void> => rm(path, { force: true });
  try {
    const size = await sizeOf(parsed, source, packages, options);
    const handle = await open(path, 'wx+', 0o600);
    try {
      await fill(parsed, size, handle, store, { ...options, packages });
      return { path, ...(await digests(handle, options)), discard };
    } finally {
      await handle.close();
    }
  } catch (error) {
    await discard();
    throw error;
  } finally {
    await packages.close();
  }
}

async function sizeOf(
  source: Source,
  text: string,
  packages: Packages,
  options: Omit<Fetching, 'packages'>,
): Promise<number> {
  const size = await measured(source, text, packages, options);
  if (size <= 0 || size > MAX_BYTES)
    throw new SourceError(text, `it has ${size} bytes, and from 1 to ${MAX_BYTES} are fetched.`);
  return size;
}

async function measured(
  source: Source,
  text: string,
  packages: Packages,
  options: Omit<Fetching, 'packages'>,
): Promise<number> {
  if (source.kind === 'npm') return sizeInNpm(source, { ...options, packages });
  if (source.kind === 'https')
    return announced(source.url, { fetch: options.fetch ?? fetch, signal: options.signal });
  const { size } = await stat(source.path).catch((error: unknown) => {
    throw new SourceError(text, `cannot be read: ${messageOf(error)}`);
  });
  return size;
}

const ATTEMPTS = 4;
const PAUSE_MS = 500;

async function announced(url: URL, options: { fetch: typeof fetch; signal: AbortSignal }): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await announcedSize(url, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof SourceError) throw error;
      if (attempt === ATTEMPTS) throw new SourceError(url.href, `cannot be reached: ${causeOf(error)}`);
      await delay(PAUSE_MS * 2 ** attempt, undefined, { signal: options.signal });
    }
  }
}

/** fetch says "fetch failed", and its cause says why. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
}

async function digests(
  handle: FileHandle,
  { onProgress, signal }: Pick<Fetching, 'onProgress' | 'signal'>,
): Promise<Pick<FirstFetch, 'size' | 'sha256' | 'md5'>> {
  const sha256 = createHash('sha256');
  const md5 = createHash('md5');
  const total = (await handle.stat()).size;
  let size = 0;
  for await (const chunk of handle.createReadStream({
    start: 0,
    autoClose: false,
    highWaterMark: 1_048_576,
  })) {
    signal.throwIfAborted();
    const bytes = chunk as Buffer;
    sha256.update(bytes);
    md5.update(bytes);
    size += bytes.length;
    onProgress({ phase: 'verifying', bytes: size, total });
  }
  return { size, sha256: sha256.digest('hex'), md5: md5.digest('hex') };
}
