import { createReadStream } from 'node:fs';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { Parser, type ReadEntry } from 'tar';

/**
 * Far above any model, far below what fills a disk by a small archive: nothing is written before its size is known,
 * and this bounds the time spent on reading.
 */
const MAX_INFLATED_BYTES = 64 * 1024 ** 3;

type Consume = (bytes: AsyncIterable<Buffer>) => Promise<void>;

/**
 * Reads the tarball of an npm package once, as data: `wanted` gets each regular file's path inside the package and its
 * size, and gives what to do with its bytes, or undefined to pass over it. Nothing is extracted.
 * @throws Error when the archive is damaged or torn, and whatever `wanted` or a consumer throws.
 */
export async function readTarball(
  path: string,
  wanted: (path: string, size: number) => Consume | undefined,
  signal: AbortSignal,
): Promise<void> {
  const consumers: Promise<void>[] = [];
  const failed = new AbortController();
  const choose = async (entry: ReadEntry): Promise<void> => {
    const consume = entry.type === 'File' ? wanted(insidePackage(entry.path), entry.size) : undefined;
    if (consume === undefined) entry.resume();
    else await consume(entry);
  };
  const parser = new Parser({
    strict: true,
    onReadEntry(entry) {
      const chosen = choose(entry);
      chosen.catch((error: unknown) => {
        failed.abort(error);
      });
      consumers.push(chosen);
    },
  });
  try {
    await pipeline(createReadStream(path), createGunzip(), bounded(MAX_INFLATED_BYTES), parser, {
      signal: AbortSignal.any([signal, failed.signal]),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (failed.signal.aborted) throw failed.signal.reason;
    throw error;
  }
  await Promise.all(consumers);
}

/** npm ignores the name of a tarball's one top folder, which is `package` as a rule. */
function insidePackage(path: string): string {
  return path.slice(path.indexOf('/') + 1);
}

function bounded(limit: number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      if (seen > limit) done(new Error(`the archive unpacks to more than ${limit} bytes`));
      else done(null, chunk);
    },
  });
}
