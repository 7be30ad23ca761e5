/**
 * Half of the Gaussian of sigma 2 cut off at 8, normalized, from its centre outwards: the doubles that
 * scipy.ndimage.gaussian_filter computes. Written out, since one differing bit may tip a pixel over the threshold.
 */
const GAUSSIAN = Float64Array.of(
  0.199474647864745,
  0.17603575888479034,
  0.12098748976534904,
  0.06475993660472744,
  0.026995957967298846,
  0.00876430436278587,
  0.002215963172596555,
  0.0004363490205067883,
  6.691628957263553e-5,
);
const RADIUS = GAUSSIAN.length - 1;
const THRESHOLD = 127;

/**
 * rembg's `post_process_mask`: a grey opening with a disk of radius 1, a Gaussian of sigma 2, then everything to 0 or
 * 255. The order of additions is scipy's, so that the result is the same bit for bit.
 */
export function smoothMask(mask: Uint8Array, width: number, height: number): Uint8Array {
  const opened = extremeOfCross(extremeOfCross(mask, width, height, Math.min), width, height, Math.max);
  const output = new Uint8Array(mask.length);
  // One row at a time, so that memory does not grow with the picture: eight bytes a pixel would be much.
  const padded = new Float64Array(width + 2 * RADIUS);
  const line = padded.subarray(RADIUS, RADIUS + width);
  for (let y = 0; y < height; y++) {
    blurColumnsInto(line, opened, y, height);
    for (let distance = 1; distance <= RADIUS; distance++) {
      padded[RADIUS - distance] = line[mirrored(-distance, width)] as number;
      padded[RADIUS + width - 1 + distance] = line[mirrored(width - 1 + distance, width)] as number;
    }
    for (let x = 0; x < width; x++)
      output[y * width + x] = blurredAt(padded, x + RADIUS) < THRESHOLD ? 0 : 255;
  }
  return output;
}

/** The smallest or largest of a pixel and its four neighbours; mirrored at the border, so a missing one is itself. */
function extremeOfCross(
  mask: Uint8Array,
  width: number,
  height: number,
  pick: (a: number, b: number) => number,
): Uint8Array {
  const output = new Uint8Array(mask.length);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < width; x++, at++) {
      let value = mask[at] as number;
      if (x > 0) value = pick(value, mask[at - 1] as number);
      if (x < width - 1) value = pick(value, mask[at + 1] as number);
      if (y > 0) value = pick(value, mask[at - width] as number);
      if (y < height - 1) value = pick(value, mask[at + width] as number);
      output[at] = value;
    }
  return output;
}

/** Position in a line mirrored about its ends, each end twice: 2 1 0 | 0 1 2 … n-1 | n-1 n-2. */
function mirrored(position: number, length: number): number {
  const period = 2 * length;
  const inPeriod = ((position % period) + period) % period;
  return inPeriod < length ? inPeriod : period - 1 - inPeriod;
}

/** Adds the outermost pair first and goes inwards, as scipy does for a symmetric filter. */
function blurColumnsInto(line: Float64Array, mask: Uint8Array, y: number, height: number): void {
  const width = line.length;
  const row = y * width;
  for (let x = 0; x < width; x++) line[x] = (mask[row + x] as number) * (GAUSSIAN[0] as number);
  for (let distance = RADIUS; distance > 0; distance--) {
    const weight = GAUSSIAN[distance] as number;
    const above = mirrored(y - distance, height) * width;
    const below = mirrored(y + distance, height) * width;
    for (let x = 0; x < width; x++)
      line[x] = (line[x] as number) + ((mask[above + x] as number) + (mask[below + x] as number)) * weight;
  }
}

function blurredAt(line: Float64Array, centre: number): number {
  let sum = (line[centre] as number) * (GAUSSIAN[0] as number);
  for (let distance = RADIUS; distance > 0; distance--)
    sum +=
      ((line[centre - distance] as number) + (line[centre + distance] as number)) *
      (GAUSSIAN[distance] as number);
  return sum;
}
