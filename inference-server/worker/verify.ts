import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/**
 * Says in a sentence why a file is not the one its manifest names; undefined when it is. Reads it as a stream.
 * @throws when the file cannot be read.
 */
export async function mismatchOf(file: {
  path: string;
  sha256: string;
  size: number;
}): Promise<string | undefined> {
  const { size } = await stat(file.path);
  if (size !== file.size) return `it has ${size} bytes, and its manifest says ${file.size}`;
  const hash = createHash('sha256');
  await pipeline(createReadStream(file.path, { highWaterMark: 1024 * 1024 }), hash);
  const found = hash.digest('hex');
  return found === file.sha256 ? undefined : `its sha256 is ${found}, and its manifest says ${file.sha256}`;
}
