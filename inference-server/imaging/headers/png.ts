import { constants, inflateSync } from 'node:zlib';
import type { Header } from './header.ts';

/** Enough for pixels in pieces of 512 bytes up to the largest body. */
const MOST_CHUNKS = 65_536;
const FIRST_CHUNK = 8;

interface Chunk {
  type: string;
  data: Buffer;
}

/** The chunks, as far as they are whole; what a decoder would miss is for it to say. */
function* chunksOf(bytes: Buffer): Generator<Chunk> {
  let at = FIRST_CHUNK;
  for (let count = 0; count < MOST_CHUNKS && at + 12 <= bytes.length; count++) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    yield { type, data: bytes.subarray(at + 8, at + 8 + length) };
    if (type === 'IEND') return;
    at += 12 + length;
  }
}

/** IHDR, then the chunks up to the first IDAT: an `acTL` among them makes it an APNG. */
export function pngHeader(bytes: Buffer): Header | undefined {
  if (bytes.length < 33 || bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  const size = { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
  for (const { type } of chunksOf(bytes)) {
    if (type === 'acTL') return { ...size, animated: true };
    if (type === 'IDAT') break;
  }
  return { ...size, animated: false };
}

/** Where the compressed part of a chunk begins, after its name and its method; undefined for chunks without one. */
function compressedPart({ type, data }: Chunk): Buffer | undefined {
  const afterName = data.indexOf(0) + 1;
  if (afterName === 0) return undefined;
  if (type === 'iCCP' || type === 'zTXt') return data.subarray(afterName + 1);
  if (type !== 'iTXt' || data[afterName] !== 1) return undefined;
  const afterLanguage = data.indexOf(0, afterName + 2) + 1;
  const afterTranslation = data.indexOf(0, afterLanguage) + 1;
  return afterLanguage === 0 || afterTranslation === 0 ? undefined : data.subarray(afterTranslation);
}

/**
 * Whether what is compressed beside the pixels (profile, texts) unpacks to more than `maxBytes` in all: a thousandth
 * of that is enough to send. Unpacks no further than that.
 */
export function hidesMoreThan(bytes: Buffer, maxBytes: number): boolean {
  let left = maxBytes;
  for (const chunk of chunksOf(bytes)) {
    const compressed = compressedPart(chunk);
    if (compressed === undefined) continue;
    const size = unpackedSize(compressed, left);
    if (size === undefined) return true;
    left -= size;
  }
  return false;
}

function unpackedSize(compressed: Buffer, most: number): number | undefined {
  try {
    // Cut-off data counts as far as it goes: whether it is damaged is for the decoder to say.
    const options = { maxOutputLength: Math.max(1, most), finishFlush: constants.Z_SYNC_FLUSH };
    return inflateSync(compressed, options).length;
  } catch (error) {
    const tooLong = error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    return tooLong ? undefined : 0;
  }
}
