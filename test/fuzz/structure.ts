import { pngChunk } from '../support/bombs.ts';
import { EDGES, mutateBytes } from './bytes.ts';
import type { Random } from './random.ts';

/** A file as the pieces that its format is made of, which stay whole while they are moved, dropped, doubled, changed. */
interface Piece {
  type: string;
  data: Buffer;
}

interface Format {
  split: (bytes: Buffer) => Piece[];
  join: (pieces: Piece[], random: Random) => Buffer;
  types: readonly string[];
}

/** A stated length: right most of the time. */
function stated(length: number, random: Random): number {
  if (random.chance(0.95)) return length;
  return random.chance(0.5) ? random.pick(EDGES) : Math.max(0, length + random.below(9) - 4);
}

const png: Format = {
  split(bytes) {
    const pieces: Piece[] = [];
    for (let at = 8; at + 12 <= bytes.length;) {
      const length = bytes.readUInt32BE(at);
      pieces.push({
        type: bytes.toString('latin1', at + 4, at + 8),
        data: bytes.subarray(at + 8, at + 8 + length),
      });
      at += 12 + length;
    }
    return pieces;
  },
  join(pieces, random) {
    const chunks = pieces.map(({ type, data }) => {
      const chunk = pngChunk(type.padEnd(4).slice(0, 4), data);
      chunk.writeUInt32BE(stated(data.length, random), 0);
      return chunk;
    });
    return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks]);
  },
  types: [
    'IHDR',
    'PLTE',
    'IDAT',
    'IEND',
    'tRNS',
    'iCCP',
    'eXIf',
    'zTXt',
    'iTXt',
    'acTL',
    'fcTL',
    'sRGB',
    'gAMA',
  ],
};

const jpeg: Format = {
  split(bytes) {
    const pieces: Piece[] = [];
    let at = 2;
    while (at + 4 <= bytes.length && bytes[at] === 0xff) {
      const length = bytes.readUInt16BE(at + 2);
      const type = bytes.toString('hex', at, at + 2);
      // What is compressed follows its scan's header without a length of its own.
      const end = type === 'ffda' ? nextMarker(bytes, at + 2 + length) : at + 2 + length;
      pieces.push({ type, data: bytes.subarray(at + 4, end) });
      at = end;
    }
    return pieces;
  },
  join: (pieces, random) =>
    Buffer.concat([
      Buffer.from('ffd8', 'hex'),
      ...pieces.flatMap(({ type, data }) => {
        const head = Buffer.alloc(4);
        head.write(type, 'hex');
        const own = type === 'ffda' ? 4 + 2 * (data[0] ?? 1) : data.length + 2;
        head.writeUInt16BE(stated(own, random) % 65_536, 2);
        return [head, data];
      }),
      Buffer.from(random.chance(0.9) ? 'ffd9' : '', 'hex'),
    ]),
  types: [
    'ffc0',
    'ffc1',
    'ffc2',
    'ffc3',
    'ffc4',
    'ffc9',
    'ffda',
    'ffdb',
    'ffdc',
    'ffdd',
    'ffe0',
    'ffe1',
    'ffe2',
    'ffee',
    'fffe',
  ],
};

function nextMarker(bytes: Buffer, from: number): number {
  for (let at = from; at + 1 < bytes.length; at++) {
    const marker = bytes[at + 1] as number;
    if (bytes[at] === 0xff && marker !== 0 && (marker < 0xd0 || marker > 0xd7)) return at;
  }
  return bytes.length;
}

const webp: Format = {
  split(bytes) {
    const pieces: Piece[] = [];
    for (let at = 12; at + 8 <= bytes.length;) {
      const length = bytes.readUInt32LE(at + 4);
      pieces.push({
        type: bytes.toString('latin1', at, at + 4),
        data: bytes.subarray(at + 8, at + 8 + length),
      });
      at += 8 + length + (length & 1);
    }
    return pieces;
  },
  join(pieces, random) {
    const body = Buffer.concat(
      pieces.flatMap(({ type, data }) => {
        const head = Buffer.alloc(8);
        head.write(type.slice(0, 4), 'latin1');
        head.writeUInt32LE(stated(data.length, random), 4);
        return [head, data, Buffer.alloc(data.length & 1)];
      }),
    );
    const head = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1');
    head.writeUInt32LE(stated(body.length + 4, random), 4);
    return Buffer.concat([head, body]);
  },
  types: ['VP8X', 'VP8 ', 'VP8L', 'ALPH', 'ANIM', 'ANMF', 'ICCP', 'EXIF', 'XMP '],
};

const avif: Format = {
  split(bytes) {
    const pieces: Piece[] = [];
    for (let at = 0; at + 8 <= bytes.length;) {
      const length = Math.max(8, bytes.readUInt32BE(at));
      pieces.push({
        type: bytes.toString('latin1', at + 4, at + 8),
        data: bytes.subarray(at + 8, at + length),
      });
      at += length;
    }
    return pieces;
  },
  join: (pieces, random) =>
    Buffer.concat(
      pieces.flatMap(({ type, data }) => {
        const head = Buffer.alloc(8);
        head.writeUInt32BE(stated(data.length + 8, random), 0);
        head.write(type.slice(0, 4), 4, 'latin1');
        return [head, data];
      }),
    ),
  types: ['ftyp', 'meta', 'mdat', 'free', 'iloc', 'moov', 'iprp'],
};

export const FORMATS = { png, jpeg, webp, avif };

function mutatePieces(pieces: Piece[], format: Format, random: Random): Piece[] {
  if (pieces.length === 0) return pieces;
  const place = random.below(pieces.length);
  const piece = pieces[place] as Piece;
  const without = pieces.toSpliced(place, 1);
  switch (random.below(7)) {
    case 0:
      return without;
    case 1:
      return pieces.toSpliced(place, 0, ...Array.from({ length: 1 + random.below(20) }, () => piece));
    case 2:
      return without.toSpliced(random.below(pieces.length), 0, piece);
    case 3:
      return pieces.toSpliced(place, 0, {
        type: random.pick(format.types),
        data: random.bytes(random.below(64)),
      });
    case 4:
      return pieces.with(place, { ...piece, type: random.pick(format.types) });
    default:
      return pieces.with(place, { ...piece, data: mutateBytes(piece.data, random) });
  }
}

/** Changes that keep the file a file of its format: what is not changed is still whole, check sums are right. */
export function mutateStructure(format: Format, bytes: Buffer, random: Random): Buffer {
  let pieces = format.split(bytes);
  for (let i = 0; i <= random.below(3); i++) pieces = mutatePieces(pieces, format, random);
  return format.join(pieces, random);
}
