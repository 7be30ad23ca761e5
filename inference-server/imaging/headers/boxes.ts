/** Boxes of ISO/IEC 14496-12 and items of ISO/IEC 23008-12, as far as a picture's size goes. */
export interface Box {
  type: string;
  data: Buffer;
}

const MOST_BOXES = 1024;
const MOST_ITEMS = 256;

export function boxesOf(data: Buffer): Box[] {
  const boxes: Box[] = [];
  let at = 0;
  while (at + 8 <= data.length && boxes.length < MOST_BOXES) {
    const stated = data.readUInt32BE(at);
    const long = stated === 1 && at + 16 <= data.length;
    const size = long ? Number(data.readBigUInt64BE(at + 8)) : stated === 0 ? data.length - at : stated;
    const header = long ? 16 : 8;
    if (size < header) break;
    boxes.push({
      type: data.toString('latin1', at + 4, at + 8),
      data: data.subarray(at + header, at + size),
    });
    at += size;
  }
  return boxes;
}

export function find(boxes: Box[], type: string): Buffer | undefined {
  return boxes.find((box) => box.type === type)?.data;
}

/** The brands of the `ftyp` box, the main one first. */
export function brandsOf(bytes: Buffer): string[] {
  const end = Math.min(bytes.length, bytes.length < 8 ? 0 : bytes.readUInt32BE(0), 512);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) if (at !== 12) brands.push(bytes.toString('latin1', at, at + 4));
  return brands;
}

/** By item id; undefined when there are more than a picture needs. */
export function itemTypes(iinf: Buffer | undefined): Map<number, string> | undefined {
  const types = new Map<number, string>();
  if (iinf === undefined || iinf.length < 8) return types;
  for (const { type, data } of boxesOf(iinf.subarray(iinf[0] === 0 ? 6 : 8))) {
    if (type !== 'infe' || data.length < 12) continue;
    const wide = data[0] === 3 && data.length >= 14 ? 2 : 0;
    types.set(data.readUIntBE(4, 2 + wide), data.toString('latin1', 8 + wide, 12 + wide));
  }
  return types.size > MOST_ITEMS ? undefined : types;
}

interface Location {
  /** In the `idat` box rather than in the file. */
  inside: boolean;
  extents: { offset: number; length: number }[];
}

/** Reads whole numbers of given widths one after another; NaN beyond the end. */
function numberReader(data: Buffer): (bytes: number) => number {
  let at = 0;
  return (bytes) => {
    const start = at;
    at += bytes;
    if (at > data.length) return Number.NaN;
    if (bytes === 0) return 0;
    return bytes <= 6 ? data.readUIntBE(start, bytes) : Number(data.readBigUInt64BE(start));
  };
}

export function itemLocations(iloc: Buffer | undefined): Map<number, Location> | undefined {
  const locations = new Map<number, Location>();
  if (iloc === undefined) return undefined;
  const read = numberReader(iloc);
  const version = read(1);
  read(3);
  const sizes = read(2);
  const [offsetSize, lengthSize, baseSize] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexSize = version > 0 ? sizes & 15 : 0;
  if ([offsetSize, lengthSize, baseSize, indexSize].some((size) => ![0, 4, 8].includes(size)))
    return undefined;
  const items = read(version === 2 ? 4 : 2);
  if (!(items <= MOST_ITEMS)) return undefined;
  for (let i = 0; i < items; i++) {
    const item = read(version === 2 ? 4 : 2);
    const method = version > 0 ? read(2) & 15 : 0;
    read(2);
    const base = read(baseSize);
    const count = read(2);
    if (!(count <= MOST_ITEMS) || method > 1) return undefined;
    const extents = Array.from({ length: count }, () => {
      read(indexSize);
      return { offset: base + read(offsetSize), length: read(lengthSize) };
    });
    locations.set(item, { inside: method === 1, extents });
  }
  return locations;
}

export function contentOf(
  location: Location | undefined,
  file: Buffer,
  idat: Buffer | undefined,
): Buffer | undefined {
  const source = location?.inside === true ? idat : file;
  if (location === undefined || source === undefined) return undefined;
  const parts: Buffer[] = [];
  let total = 0;
  for (const { offset, length } of location.extents) {
    // A length of 0 means up to the end.
    const end = length === 0 ? source.length : offset + length;
    if (!(end <= source.length) || !(offset <= end)) return undefined;
    total += end - offset;
    if (total > file.length) return undefined;
    parts.push(source.subarray(offset, end));
  }
  const [only] = parts;
  return parts.length === 1 ? only : Buffer.concat(parts);
}
