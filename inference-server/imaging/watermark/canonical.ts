import type { Raster } from '../resample.ts';

/**
 * Every picture is looked at on a square of this side, whatever its own size: scaling it changes nothing there. That is
 * what keeps the mark in step after resizing.
 */
export const SIDE = 256;
/** Side of a block of the cosine transform, on that square. */
export const BLOCK = 8;
const GREY = 128;

/** Brightness (ITU-R BT.601) of each pixel; what is transparent is seen before middle grey. */
export function lumaOf({ data, width, height, channels }: Raster): Float32Array {
  const luma = new Float32Array(width * height);
  const colour = channels >= 3;
  const alphaAt = channels === 4 ? 3 : channels === 2 ? 1 : -1;
  for (let pixel = 0, from = 0; pixel < luma.length; pixel++, from += channels) {
    const red = data[from] as number;
    const value = colour
      ? 0.299 * red + 0.587 * (data[from + 1] as number) + 0.114 * (data[from + 2] as number)
      : red;
    luma[pixel] = alphaAt < 0 ? value : GREY + ((value - GREY) * (data[from + alphaAt] as number)) / 255;
  }
  return luma;
}

/** For each output sample: its first input sample and the weights from there on. */
interface Taps {
  first: Int32Array;
  count: number;
  weights: Float32Array;
}

/** Triangle filter, widened when it shrinks so that nothing aliases. */
function tapsFor(from: number, to: number): Taps {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  const count = Math.min(from, Math.ceil(reach) * 2 + 1);
  const first = new Int32Array(to);
  const weights = new Float32Array(to * count);
  for (let out = 0; out < to; out++) {
    const centre = (out + 0.5) * scale;
    const start = Math.max(0, Math.min(from - count, Math.floor(centre - reach)));
    first[out] = start;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const weight = Math.max(0, 1 - Math.abs((start + i + 0.5 - centre) / reach));
      weights[out * count + i] = weight;
      sum += weight;
    }
    for (let i = 0; i < count; i++) weights[out * count + i] = (weights[out * count + i] as number) / sum;
  }
  return { first, count, weights };
}

/** A plane at another size. */
export function stretch(
  plane: Float32Array,
  from: { width: number; height: number },
  to: { width: number; height: number },
): Float32Array {
  const wide = stretchRows(plane, from, to.width);
  const { first, count, weights } = tapsFor(from.height, to.height);
  const output = new Float32Array(to.width * to.height);
  for (let y = 0; y < to.height; y++) {
    const row = output.subarray(y * to.width, (y + 1) * to.width);
    for (let i = 0; i < count; i++) {
      const weight = weights[y * count + i] as number;
      if (weight === 0) continue;
      const start = ((first[y] as number) + i) * to.width;
      for (let x = 0; x < row.length; x++) row[x] = (row[x] as number) + weight * (wide[start + x] as number);
    }
  }
  return output;
}

function stretchRows(
  plane: Float32Array,
  { width, height }: { width: number; height: number },
  to: number,
): Float32Array {
  const { first, count, weights } = tapsFor(width, to);
  const output = new Float32Array(to * height);
  for (let y = 0, at = 0; y < height; y++)
    for (let x = 0; x < to; x++, at++) {
      const start = y * width + (first[x] as number);
      let sum = 0;
      for (let i = 0; i < count; i++)
        sum += (weights[x * count + i] as number) * (plane[start + i] as number);
      output[at] = sum;
    }
  return output;
}

const COSINES = Float32Array.from({ length: BLOCK * BLOCK }, (_, i) => {
  const frequency = Math.floor(i / BLOCK);
  const norm = Math.sqrt((frequency === 0 ? 1 : 2) / BLOCK);
  return norm * Math.cos(((2 * (i % BLOCK) + 1) * frequency * Math.PI) / (2 * BLOCK));
});

/** The orthonormal cosine transform of every block of the square, or back; a new plane. */
export function transform(plane: Float32Array, direction: 'forward' | 'back'): Float32Array {
  const [byOut, byIn] = direction === 'forward' ? [BLOCK, 1] : [1, BLOCK];
  const rows = new Float32Array(plane.length);
  const output = new Float32Array(plane.length);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      const start = y * SIDE + x - (x % BLOCK);
      let sum = 0;
      for (let i = 0; i < BLOCK; i++)
        sum += (COSINES[(x % BLOCK) * byOut + i * byIn] as number) * (plane[start + i] as number);
      rows[y * SIDE + x] = sum;
    }
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) {
      const start = (y - (y % BLOCK)) * SIDE + x;
      let sum = 0;
      for (let i = 0; i < BLOCK; i++)
        sum += (COSINES[(y % BLOCK) * byOut + i * byIn] as number) * (rows[start + i * SIDE] as number);
      output[y * SIDE + x] = sum;
    }
  return output;
}
