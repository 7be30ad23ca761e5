import type { Header } from './header.ts';

const ANIMATION_FLAG = 0x02;
const FIRST_CHUNK = 12;
/** Canvas, profile, alpha, pixels, EXIF, XMP, and a few that nobody knows. */
const MOST_CHUNKS = 64;

/**
 * The largest size that any part of the file states: the canvas of an extended file need not be the size of the
 * picture in it.
 */
export function webpHeader(bytes: Buffer): Header | undefined {
  if (bytes.length < 30) return undefined;
  let found: Header | undefined;
  let at = FIRST_CHUNK;
  for (let count = 0; count < MOST_CHUNKS && at + 8 <= bytes.length; count++) {
    const type = bytes.toString('latin1', at, at + 4);
    if (type === 'ANIM' || type === 'ANMF') return found && { ...found, animated: true };
    const stated = sizeOf(type, bytes.subarray(at + 8, at + 18));
    if (stated !== undefined) found = larger(found, stated);
    else if (count === 0) return undefined;
    const length = bytes.readUInt32LE(at + 4);
    at += 8 + length + (length & 1);
  }
  return found;
}

function larger(a: Header | undefined, b: Header): Header {
  if (a === undefined) return b;
  return {
    width: Math.max(a.width, b.width),
    height: Math.max(a.height, b.height),
    animated: a.animated || b.animated,
  };
}

function sizeOf(type: string, data: Buffer): Header | undefined {
  if (data.length < 10) return undefined;
  switch (type) {
    case 'VP8X':
      return {
        width: data.readUIntLE(4, 3) + 1,
        height: data.readUIntLE(7, 3) + 1,
        animated: ((data[0] as number) & ANIMATION_FLAG) !== 0,
      };
    case 'VP8L': {
      const packed = data.readUInt32LE(1);
      return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1, animated: false };
    }
    case 'VP8 ':
      return {
        width: data.readUInt16LE(6) & 0x3fff,
        height: data.readUInt16LE(8) & 0x3fff,
        animated: false,
      };
    default:
      return undefined;
  }
}
