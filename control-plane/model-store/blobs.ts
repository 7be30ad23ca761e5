import { createHash } from 'node:crypto';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { OnProgress } from './progress.ts';

/** What a file must be to become visible. */
export interface Digest {
  sha256: string;
  /** Bytes. */
  size: number;
}

export const blobPath = (store: string, sha256: string): string => join(store, 'blobs', 'sha256', sha256);
export const lockPath = (store: string, sha256: string): string => join(store, 'locks', sha256);
export const temporaryFolder = (store: string): string => join(store, 'tmp');
const markerPath = (store: string, sha256: string): string => join(store, 'verified', sha256);

const marker = z.object({ size: z.int(), mtimeMs: z.number() });

export async function prepareStore(store: string): Promise<void> {
  const folders = [
    dirname(blobPath(store, 'x')),
    dirname(lockPath(store, 'x')),
    dirname(markerPath(store, 'x')),
    temporaryFolder(store),
  ];
  for (const folder of folders) await mkdir(folder, { recursive: true });
}

/**
 * Whether the blob is there. Its marker, written after the bytes were hashed, must agree with its size and time; a blob
 * without one is hashed again, and removed when it is not what its name says.
 */
export async function hasBlob(store: string, wanted: Digest, onProgress: OnProgress): Promise<boolean> {
  const path = blobPath(store, wanted.sha256);
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return false;
  if (info.size === wanted.size && (await markerAgrees(store, wanted.sha256, info))) return true;
  const handle = await open(path, 'r');
  try {
    const found = await digestOf(handle, onProgress);
    if (found.sha256 === wanted.sha256 && found.size === wanted.size) {
      await writeMarker(store, wanted.sha256, info);
      return true;
    }
  } finally {
    await handle.close();
  }
  await rm(path, { force: true });
  return false;
}

async function markerAgrees(
  store: string,
  sha256: string,
  info: { size: number; mtimeMs: number },
): Promise<boolean> {
  try {
    const { size, mtimeMs } = marker.parse(JSON.parse(await readFile(markerPath(store, sha256), 'utf8')));
    return size === info.size && mtimeMs === info.mtimeMs;
  } catch {
    return false;
  }
}

async function writeMarker(
  store: string,
  sha256: string,
  info: { size: number; mtimeMs: number },
): Promise<void> {
  await writeFile(markerPath(store, sha256), JSON.stringify({ size: info.size, mtimeMs: info.mtimeMs }));
}

export async function digestOf(handle: FileHandle, onProgress: OnProgress): Promise<Digest> {
  const total = (await handle.stat()).size;
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(1024 * 1024);
  let size = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, size);
    if (bytesRead === 0) return { sha256: hash.digest('hex'), size };
    hash.update(buffer.subarray(0, bytesRead));
    size += bytesRead;
    onProgress({ phase: 'verifying', bytes: size, total });
  }
}

/**
 * Makes a blob of what `fill` writes: into a temporary file, synced, hashed as it lies on the disk, renamed.
 * @throws Error of `mismatch` when it is not what was wanted: then nothing has become visible.
 */
export async function writeBlob(
  store: string,
  wanted: Digest,
  fill: (target: FileHandle) => Promise<void>,
  onProgress: OnProgress,
  mismatch: (found: Digest) => Error,
): Promise<string> {
  const path = blobPath(store, wanted.sha256);
  const temporary = join(temporaryFolder(store), `${process.pid}-${wanted.sha256}`);
  try {
    const handle = await open(temporary, 'w+', 0o644);
    try {
      await fill(handle);
      await handle.sync();
      const found = await digestOf(handle, onProgress);
      if (found.sha256 !== wanted.sha256 || found.size !== wanted.size) throw mismatch(found);
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
    await writeMarker(store, wanted.sha256, await stat(path));
    return path;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Writes all of `bytes` at a position; one write call may take only a part. */
export async function writeAt(target: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await target.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what processes that were killed left in the temporary folder; its names begin with their pids. */
export async function removeLeftovers(store: string, isAlive: (pid: number) => boolean): Promise<void> {
  for (const name of await readdir(temporaryFolder(store))) {
    const pid = Number(/^(\d+)-/.exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid))
      await rm(join(temporaryFolder(store), name), { recursive: true, force: true });
  }
}
