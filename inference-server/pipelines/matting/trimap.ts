/** What is certain of a mask, a byte a pixel. */
export const KNOWN = { background: 0, unknown: 128, foreground: 255 } as const;

export interface TrimapOptions {
  /** A mask above it is certain foreground. */
  foreground: number;
  /** A mask below it is certain background. */
  background: number;
  /** Side of the square by which what is certain is eroded; 0: by a pixel's four neighbours. */
  erode: number;
}

/** The certain parts of a mask and the band between them, as rembg draws them. */
export function trimapOf(
  mask: Uint8Array,
  width: number,
  height: number,
  { foreground, background, erode }: TrimapOptions,
): Uint8Array {
  const inside = eroded(
    mask.map((value) => Number(value > foreground)),
    width,
    height,
    erode,
    0,
  );
  const outside = eroded(
    mask.map((value) => Number(value < background)),
    width,
    height,
    erode,
    1,
  );
  return Uint8Array.from(mask, (_, pixel) => {
    if (outside[pixel] === 1) return KNOWN.background;
    return inside[pixel] === 1 ? KNOWN.foreground : KNOWN.unknown;
  });
}

/**
 * scipy's `binary_erosion` by a square; the centre of an even one is the right and lower of its middle pixels. What
 * lies outside of the picture counts as `beyond`.
 */
function eroded(bits: Uint8Array, width: number, height: number, side: number, beyond: 0 | 1): Uint8Array {
  if (side === 0) return erodedByCross(bits, width, height, beyond);
  const rows = erodedLines(bits, { lines: height, length: width, line: width, step: 1 }, side, beyond);
  return erodedLines(rows, { lines: width, length: height, line: 1, step: width }, side, beyond);
}

interface Lines {
  lines: number;
  length: number;
  /** Distance between lines, and between the neighbours within one. */
  line: number;
  step: number;
}

function erodedLines(bits: Uint8Array, lines: Lines, side: number, beyond: 0 | 1): Uint8Array {
  const output = new Uint8Array(bits.length);
  const before = Math.floor(side / 2);
  const after = side - before - 1;
  for (let line = 0; line < lines.lines; line++) {
    const start = line * lines.line;
    // How many of the window are not set, kept up while it moves along.
    const clear = (at: number): number => {
      if (at < 0 || at >= lines.length) return 1 - beyond;
      return 1 - (bits[start + at * lines.step] as number);
    };
    let missing = 0;
    for (let at = -before; at <= after; at++) missing += clear(at);
    for (let at = 0; at < lines.length; at++) {
      output[start + at * lines.step] = missing === 0 ? 1 : 0;
      missing += clear(at + after + 1) - clear(at - before);
    }
  }
  return output;
}

function erodedByCross(bits: Uint8Array, width: number, height: number, beyond: 0 | 1): Uint8Array {
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= width || y >= height ? beyond : (bits[y * width + x] as number);
  return bits.map((bit, pixel) => {
    const x = pixel % width;
    const y = (pixel - x) / width;
    return bit & at(x - 1, y) & at(x + 1, y) & at(x, y - 1) & at(x, y + 1);
  });
}
