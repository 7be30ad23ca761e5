import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../foundation/errors.ts';
import { writeAt } from './blobs.ts';
import type { Packages } from './npm-package.ts';
import type { OnProgress } from './progress.ts';
import { type Source, SourceError } from './source.ts';
import { readTarball } from './tarball.ts';

const MAX_INDEX_BYTES = 16 * 1024 * 1024;

/** An index names, per member, files of its own folder and the range of the whole that each one holds. */
const chunkIndex = z.record(
  z.string(),
  z.object({
    size: z.int().nonnegative(),
    chunks: z
      .array(
        z.object({
          hash: z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/),
          offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
        }),
      )
      .min(1)
      .max(100_000),
  }),
);

export interface NpmOptions {
  packages: Packages;
  signal: AbortSignal;
  onProgress: OnProgress;
}

/** A part of the file: an entry of the tarball, and the range it fills. */
interface Part {
  entry: string;
  from: number;
  to: number;
}

/**
 * Writes a file of an npm package, or the joined chunks of an index' member, into `target`.
 * @throws SourceError when the package lacks it or sizes do not agree.
 */
export async function readNpm(
  source: Extract<Source, { kind: 'npm' }>,
  size: number,
  target: FileHandle,
  options: NpmOptions,
): Promise<void> {
  const tarball = await options.packages.tarball(source.package, options.signal, options.onProgress);
  try {
    const parts =
      source.member === undefined
        ? [{ entry: source.path, from: 0, to: size }]
        : partsOf(
            await readIndex(tarball, source.path, options.signal),
            source.member,
            size,
            posix.dirname(source.path),
          );
    await copyParts(tarball, parts, target, options);
  } catch (error) {
    options.signal.throwIfAborted();
    const where = source.member === undefined ? source.path : `${source.path}#${source.member}`;
    throw new SourceError(`npm:${source.package}/${where}`, messageOf(error));
  }
}

/** The size of a file in an npm package, or of an index' member. @throws SourceError as `readNpm`. */
export async function sizeInNpm(
  source: Extract<Source, { kind: 'npm' }>,
  options: NpmOptions,
): Promise<number> {
  const tarball = await options.packages.tarball(source.package, options.signal, options.onProgress);
  try {
    if (source.member === undefined) return await entrySize(tarball, source.path, options.signal);
    const index = parseIndex(await readIndex(tarball, source.path, options.signal));
    const size = Object.hasOwn(index, source.member) ? index[source.member]?.size : undefined;
    if (size === undefined) throw new Error(`the index has no member ${source.member}.`);
    return size;
  } catch (error) {
    options.signal.throwIfAborted();
    throw new SourceError(`npm:${source.package}/${source.path}`, messageOf(error));
  }
}

async function entrySize(tarball: string, entry: string, signal: AbortSignal): Promise<number> {
  const sizes: number[] = [];
  await readTarball(
    tarball,
    (path, size) => {
      if (path === entry) sizes.push(size);
      return undefined;
    },
    signal,
  );
  const [size] = sizes;
  if (size === undefined) throw new Error('the package has no such file.');
  return size;
}

async function readIndex(tarball: string, entry: string, signal: AbortSignal): Promise<string> {
  const found: Buffer[][] = [];
  await readTarball(
    tarball,
    (path, size) => {
      if (path !== entry || found.length > 0) return undefined;
      if (size > MAX_INDEX_BYTES)
        throw new Error(`the index has ${size} bytes, more than ${MAX_INDEX_BYTES}.`);
      const chunks: Buffer[] = [];
      found.push(chunks);
      return async (bytes) => {
        for await (const chunk of bytes) chunks.push(chunk);
      };
    },
    signal,
  );
  if (found[0] === undefined) throw new Error('the package has no such file.');
  return Buffer.concat(found[0]).toString('utf8');
}

/** The member's chunks, which must fill 0 to `size` without gap or overlap. @throws Error saying what does not fit. */
export function partsOf(indexText: string, member: string, size: number, folder: string): Part[] {
  const index = parseIndex(indexText);
  const found = Object.hasOwn(index, member) ? index[member] : undefined;
  if (found === undefined)
    throw new Error(
      `the index has no member ${member}; it has ${Object.keys(index).slice(0, 20).join(', ')}.`,
    );
  const parts = found.chunks
    .map(({ hash, offsets: [from, to] }) => ({ entry: posix.join(folder, hash), from, to }))
    .sort((a, b) => a.from - b.from);
  let end = 0;
  for (const { from, to } of parts) {
    if (from !== end || to <= from) throw new Error(`its chunks do not join at byte ${end}.`);
    end = to;
  }
  if (end !== size || found.size !== size) throw new Error(`expected ${size} bytes, found ${end}.`);
  if (new Set(parts.map(({ entry }) => entry)).size !== parts.length)
    throw new Error('one chunk stands at several places.');
  return parts;
}

function parseIndex(text: string): z.infer<typeof chunkIndex> {
  try {
    return chunkIndex.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(
      `not an index of chunks: ${error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)}`,
    );
  }
}

async function copyParts(
  tarball: string,
  parts: Part[],
  target: FileHandle,
  options: NpmOptions,
): Promise<void> {
  const total = parts.at(-1)?.to ?? 0;
  const missing = new Map(parts.map((part) => [part.entry, part]));
  let copied = 0;
  await readTarball(
    tarball,
    (path, size) => {
      const part = missing.get(path);
      if (part === undefined) return undefined;
      missing.delete(path);
      if (size !== part.to - part.from)
        throw new Error(`expected ${part.to - part.from} bytes in ${path}, found ${size}.`);
      return async (bytes) => {
        let position = part.from;
        for await (const chunk of bytes) {
          await writeAt(target, chunk, position);
          position += chunk.length;
          copied += chunk.length;
          options.onProgress({ phase: 'unpacking', bytes: copied, total });
        }
      };
    },
    options.signal,
  );
  const [first] = missing.keys();
  if (first !== undefined) throw new Error(`the package has no file ${first}.`);
}
