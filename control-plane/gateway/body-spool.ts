import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { RequestError } from '../../foundation/errors.ts';
import { refusal } from './messages.ts';

/** A body that was read to its end before anybody saw any of it. */
export interface SpooledBody {
  size: number;
  /** Lower-case hexadecimal. */
  sha256: string;
  /** From the beginning, as often as one likes. */
  chunks(): AsyncIterable<Uint8Array>;
  stream(): Readable;
  dispose(): Promise<void>;
}

export interface Spool {
  /** @throws RequestError 408; 413 beyond `limit` bytes; 429 and 503 when too much is held already */
  read(request: IncomingMessage, wanted: WantedBody): Promise<SpooledBody>;
}

export interface WantedBody {
  /** Bytes. */
  limit: number;
  /** Whose it is, for the bound on each. */
  from: string;
  /** The whole body must be there within so many milliseconds. */
  withinMs: number;
}

export interface SpoolOptions {
  directory: string;
  /** Of one body in memory; what is beyond goes to the disk. */
  memoryBytes: number;
  /** Of all bodies together, and how many at once. */
  totalBytes: number;
  bodies: number;
  bodiesPerCaller: number;
  newId: () => string;
}

const READ_BYTES = 64 * 1024;

/** Reads bodies to their end before anybody sees any of them. Bounded by size, by time, by number and in sum. */
export function createSpool(options: SpoolOptions): Spool {
  const { directory, memoryBytes, totalBytes, bodies, bodiesPerCaller } = options;
  const callers = new Map<string, number>();
  let held = 0;
  let count = 0;

  /** The name goes at once: nothing is left behind, however the process ends. */
  async function openFile(): Promise<FileHandle> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, options.newId());
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    return file;
  }

  return {
    async read(request, { limit, from, withinMs }) {
      const own = callers.get(from) ?? 0;
      if (own >= bodiesPerCaller) throw refusal('too_many_bodies', { limit: bodiesPerCaller, retryAfter: 2 });
      if (count >= bodies) throw refusal('service_busy', { retryAfter: 2 });
      count++;
      callers.set(from, own + 1);
      const hash = createHash('sha256');
      const memory: Buffer[] = [];
      let file: FileHandle | undefined;
      let inMemory = 0;
      let size = 0;
      let disposed = false;
      const dispose = async (): Promise<void> => {
        if (disposed) return;
        disposed = true;
        held -= size;
        count--;
        const left = (callers.get(from) ?? 1) - 1;
        if (left === 0) callers.delete(from);
        else callers.set(from, left);
        memory.length = 0;
        await file?.close();
      };
      const keep = async (chunk: Buffer): Promise<void> => {
        size += chunk.length;
        held += chunk.length;
        if (size > limit) throw refusal('body_too_large', { limit });
        if (held > totalBytes) throw refusal('service_busy', { retryAfter: 2 });
        hash.update(chunk);
        if (file === undefined && size <= memoryBytes) {
          memory.push(chunk);
          inMemory = size;
          return;
        }
        file ??= await openFile();
        await file.appendFile(chunk);
      };
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => {
        late.reject(refusal('request_timeout', {}, { connection: 'close' }));
      }, withinMs);
      late.promise.catch(() => undefined);
      const pieces = request.iterator({ destroyOnReturn: false });
      try {
        for (;;) {
          const piece = await Promise.race([pieces.next(), late.promise]);
          if (piece.done === true) break;
          await keep(piece.value as Buffer);
        }
      } catch (error) {
        await dispose();
        // What ended early was the client's doing.
        throw error instanceof RequestError || !request.destroyed ? error : refusal('malformed_request');
      } finally {
        clearTimeout(timer);
        void pieces.return?.();
      }
      async function* chunks(): AsyncGenerator<Uint8Array> {
        yield* memory;
        for (let at = inMemory; at < size && file !== undefined;) {
          const { bytesRead, buffer } = await file.read(
            Buffer.alloc(READ_BYTES),
            0,
            READ_BYTES,
            at - inMemory,
          );
          if (bytesRead === 0) throw new Error('a spooled body is shorter than it was');
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      }
      return { size, sha256: hash.digest('hex'), chunks, stream: () => Readable.from(chunks()), dispose };
    },
  };
}
