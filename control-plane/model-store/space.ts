import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blobPath } from './blobs.ts';

export class StoreFullError extends Error {
  constructor(needed: number, used: number, maxBytes: number) {
    super(
      `The model store holds ${used} of ${maxBytes} bytes, all of them of models that are in use, and ${needed} more ` +
        'are needed. Give it a larger volume and maxBytes, or delete a model.',
    );
    this.name = 'StoreFullError';
  }
}

export interface StoredBlob {
  sha256: string;
  /** Bytes. */
  size: number;
  changedMs: number;
}

export async function storedBlobs(store: string): Promise<StoredBlob[]> {
  const folder = dirname(blobPath(store, 'x'));
  const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const found = await Promise.all(
    names.map(async (sha256) => {
      const info = await stat(join(folder, sha256)).catch(() => undefined);
      return info === undefined ? [] : [{ sha256, size: info.size, changedMs: info.mtimeMs }];
    }),
  );
  return found.flat();
}

/**
 * Which blobs must go so that `needed` more bytes fit: the oldest of those that no model lists. Pure.
 * @throws StoreFullError when they are not enough; then nothing should go.
 */
export function evictions(
  blobs: readonly StoredBlob[],
  { needed, reserved, maxBytes }: { needed: number; reserved: number; maxBytes: number },
  listed: (sha256: string) => boolean,
): StoredBlob[] {
  const used = blobs.reduce((sum, { size }) => sum + size, 0);
  let over = used + reserved + needed - maxBytes;
  const gone: StoredBlob[] = [];
  const unlisted = blobs.filter(({ sha256 }) => !listed(sha256)).sort((a, b) => a.changedMs - b.changedMs);
  for (const blob of unlisted) {
    if (over <= 0) break;
    gone.push(blob);
    over -= blob.size;
  }
  if (over > 0) throw new StoreFullError(needed, used + reserved, maxBytes);
  return gone;
}

export async function removeBlobs(store: string, blobs: readonly StoredBlob[]): Promise<void> {
  await Promise.all(blobs.map(({ sha256 }) => rm(blobPath(store, sha256), { force: true })));
}
