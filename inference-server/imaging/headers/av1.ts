/** Enough of the AV1 bitstream (its specification, sections 5.3 to 5.5) to learn a picture's size before decoding it. */

const SEQUENCE_HEADER = 1;
const FRAME_HEADER = 3;
const FRAME = 6;
const MOST_UNITS = 1024;

export interface Av1Extent {
  /** The largest that any sequence header allows. */
  width: number;
  height: number;
  frames: number;
}

/** Undefined when the units cannot be followed to their end, or name no size. */
export function extentOfAv1(data: Buffer): Av1Extent | undefined {
  const extent = { width: 0, height: 0, frames: 0 };
  let at = 0;
  for (let count = 0; count < MOST_UNITS && at < data.length; count++) {
    const unit = unitAt(data, at);
    if (unit === undefined) return undefined;
    if (unit.type === FRAME || unit.type === FRAME_HEADER) extent.frames++;
    if (unit.type === SEQUENCE_HEADER) {
      const size = sequenceSize(data.subarray(unit.start, unit.end));
      extent.width = Math.max(extent.width, size.width);
      extent.height = Math.max(extent.height, size.height);
    }
    at = unit.end;
  }
  return at < data.length || extent.width === 0 || extent.frames === 0 ? undefined : extent;
}

function unitAt(data: Buffer, at: number): { type: number; start: number; end: number } | undefined {
  const header = data[at] as number;
  let start = at + 1 + ((header >> 2) & 1);
  let length = data.length - start;
  if (((header >> 1) & 1) === 1) {
    length = 0;
    for (let i = 0; i < 5; i++) {
      const byte = data[start++];
      if (byte === undefined) return undefined;
      length += (byte & 127) * 2 ** (7 * i);
      if (byte < 128) break;
    }
  }
  const end = start + length;
  return length < 0 || end > data.length ? undefined : { type: (header >> 3) & 15, start, end };
}

/** Bits from the highest down; beyond the end they are zero. */
function bitReader(data: Buffer): (bits: number) => number {
  let at = 0;
  return (bits) => {
    let value = 0;
    for (let i = 0; i < bits; i++, at++) value = value * 2 + (((data[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    return value;
  };
}

function sequenceSize(data: Buffer): { width: number; height: number } {
  const read = bitReader(data);
  read(4);
  if (read(1) === 1) read(5);
  else skipOperatingPoints(read);
  const widthBits = read(4) + 1;
  const heightBits = read(4) + 1;
  return { width: read(widthBits) + 1, height: read(heightBits) + 1 };
}

function skipOperatingPoints(read: (bits: number) => number): void {
  let delayBits = 0;
  if (read(1) === 1) {
    read(64);
    if (read(1) === 1) skipVariableLength(read);
    if (read(1) === 1) {
      delayBits = read(5) + 1;
      read(42);
    }
  }
  const displayDelay = read(1);
  const points = read(5) + 1;
  for (let point = 0; point < points; point++) {
    read(12);
    if (read(5) > 7) read(1);
    if (delayBits > 0 && read(1) === 1) read(2 * delayBits + 1);
    if (displayDelay === 1 && read(1) === 1) read(4);
  }
}

function skipVariableLength(read: (bits: number) => number): void {
  let zeros = 0;
  while (zeros < 32 && read(1) === 0) zeros++;
  if (zeros < 32) read(zeros);
}
