/** Straight pieces of closed outlines, y downwards: x0, y0, x1, y1 of each, one after another. */
export type Segments = Float64Array;

/**
 * How much of each pixel the inside of the outlines covers, 0 to 255, by exact areas: each piece adds the area to its
 * right, signed by its direction, and the running sum along a row is the coverage (as in font-rs by Raph Levien).
 */
export function coverageOf(segments: Segments, width: number, height: number): Uint8Array {
  // Two more a row: a piece on the right border adds beyond it.
  const stride = width + 2;
  const areas = new Float64Array(stride * height);
  for (let i = 0; i < segments.length; i += 4) {
    const [x0, y0, x1, y1] = segments.subarray(i, i + 4) as unknown as [number, number, number, number];
    if (y0 !== y1) addPiece(areas, { stride, width, height }, [x0, y0, x1, y1]);
  }
  const coverage = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    let sum = 0;
    for (let x = 0; x < width; x++) {
      sum += areas[y * stride + x] as number;
      coverage[y * width + x] = Math.round(255 * Math.min(1, Math.abs(sum)));
    }
  }
  return coverage;
}

interface Size {
  stride: number;
  width: number;
  height: number;
}

type Piece = [x0: number, y0: number, x1: number, y1: number];

function addPiece(areas: Float64Array, { stride, width, height }: Size, piece: Piece): void {
  const direction = piece[1] < piece[3] ? 1 : -1;
  const [x0, y0, x1, y1] = direction === 1 ? piece : [piece[2], piece[3], piece[0], piece[1]];
  const slope = (x1 - x0) / (y1 - y0);
  const last = Math.min(height, Math.ceil(y1));
  for (let y = Math.max(0, Math.floor(y0)); y < last; y++) {
    const top = Math.max(y, y0);
    const bottom = Math.min(y + 1, y1);
    const between = (at: number): number => Math.max(0, Math.min(width, x0 + (at - y0) * slope));
    const [a, b] = [between(top), between(bottom)];
    addRow(areas, y * stride, [Math.min(a, b), Math.max(a, b)], direction * (bottom - top));
  }
}

/** Spreads a height over the pixels between two places of a row. */
function addRow(areas: Float64Array, row: number, [left, right]: [number, number], height: number): void {
  const first = Math.floor(left);
  const end = Math.ceil(right);
  if (end <= first + 1) {
    const middle = (left + right) / 2 - first;
    areas[row + first] = (areas[row + first] as number) + height * (1 - middle);
    areas[row + first + 1] = (areas[row + first + 1] as number) + height * middle;
    return;
  }
  const perPixel = height / (right - left);
  let before = 0;
  for (let x = first; x < end; x++) {
    // The share of the height that lies left of this pixel's right border, less what was given out before.
    const reached = coveredUpTo(x + 1, left, right) * perPixel;
    areas[row + x] = (areas[row + x] as number) + reached - before;
    before = reached;
  }
  areas[row + end] = (areas[row + end] as number) + height - before;
}

/** The integral up to `x` of how far the piece has come, averaged over the pixel that ends there. */
function coveredUpTo(x: number, left: number, right: number): number {
  const from = Math.max(x - 1, left);
  const to = Math.min(x, right);
  const ramp = ((from - left + (to - left)) / 2) * (to - from);
  return ramp + Math.max(0, x - right) * (right - left);
}
