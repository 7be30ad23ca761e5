import type { Raster } from '../../imaging/resample.ts';

const REGULARIZATION = Math.fround(1e-5);
const SMALL_SIDE = 32;
const SMALL_ITERATIONS = 10;
const BIG_ITERATIONS = 2;
const NEIGHBOURS = [
  [-1, 0],
  [1, 0],
  [0, -1],
  [0, 1],
] as const;

/** Colours in single precision from 0 to 1, three a pixel. */
interface Level {
  width: number;
  height: number;
  foreground: Float32Array;
  background: Float32Array;
}

/**
 * The colours that the subject has by itself where its edge is soft: Germer, Uelwer, Conrad and Harmeling, "Fast
 * Multi-Level Foreground Estimation" (2020), with the constants and the precision of PyMatting, which rembg uses.
 * @param alpha of each pixel, from 0 to 1
 * @returns red, green and blue of each pixel, from 0 to 1
 */
export function foregroundColours(picture: Raster, alpha: Float64Array): Float32Array {
  const { width, height } = picture;
  const colours = coloursOf(picture);
  const opacity = Float32Array.from(alpha);
  let level: Level = {
    width: 1,
    height: 1,
    foreground: meanColour(colours, opacity, (value) => value > 0.9),
    background: meanColour(colours, opacity, (value) => value < 0.1),
  };
  const levels = Math.ceil(Math.log2(Math.max(width, height)));
  for (let i = 0; i <= levels; i++) {
    // A picture of one pixel has one level, of its own size.
    const power = levels === 0 ? 1 : i / levels;
    const size = { width: halfEven(width ** power), height: halfEven(height ** power) };
    level = refined(level, size, { picture: colours, alpha: opacity, width, height });
  }
  return level.foreground;
}

function coloursOf({ data, width, height, channels }: Raster): Float32Array {
  const colours = new Float32Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++)
    for (let channel = 0; channel < 3; channel++)
      colours[pixel * 3 + channel] = (data[pixel * channels + channel] as number) / 255;
  return colours;
}

function meanColour(
  colours: Float32Array,
  alpha: Float32Array,
  counts: (alpha: number) => boolean,
): Float32Array {
  const sum = new Float32Array(3);
  let count = 0;
  for (let pixel = 0; pixel < alpha.length; pixel++) {
    if (!counts(alpha[pixel] as number)) continue;
    count++;
    for (let channel = 0; channel < 3; channel++)
      sum[channel] = (sum[channel] as number) + (colours[pixel * 3 + channel] as number);
  }
  return sum.map((value) => value / (count + 1e-5));
}

function halfEven(value: number): number {
  const below = Math.floor(value);
  if (value - below === 0.5) return below + (below % 2);
  return Math.round(value);
}

interface Whole {
  picture: Float32Array;
  alpha: Float32Array;
  width: number;
  height: number;
}

function refined(previous: Level, size: { width: number; height: number }, whole: Whole): Level {
  const { width, height } = size;
  const shape = { from: { width: whole.width, height: whole.height }, to: size };
  const isWhole = width === whole.width && height === whole.height;
  const picture = isWhole ? whole.picture : nearest(whole.picture, 3, shape);
  const alpha = isWhole ? whole.alpha : nearest(whole.alpha, 1, shape);
  const grow = { from: previous, to: size };
  const level = {
    width,
    height,
    foreground: nearest(previous.foreground, 3, grow),
    background: nearest(previous.background, 3, grow),
  };
  const iterations = width <= SMALL_SIDE && height <= SMALL_SIDE ? SMALL_ITERATIONS : BIG_ITERATIONS;
  for (let i = 0; i < iterations; i++) sweep(level, picture, alpha);
  return level;
}

type Size = { width: number; height: number };

function nearest(
  source: Float32Array,
  channels: number,
  { from, to }: { from: Size; to: Size },
): Float32Array {
  const output = new Float32Array(to.width * to.height * channels);
  for (let y = 0, at = 0; y < to.height; y++) {
    const row = Math.floor((y * from.height) / to.height) * from.width;
    for (let x = 0; x < to.width; x++) {
      const pixel = (row + Math.floor((x * from.width) / to.width)) * channels;
      for (let channel = 0; channel < channels; channel++) output[at++] = source[pixel + channel] as number;
    }
  }
  return output;
}

/** Of one pixel's system of two equations: its matrix, and its right side for three foreground and three background samples. */
interface Pixel {
  a00: number;
  a01: number;
  a11: number;
  right: Float32Array;
}

/**
 * One pass of Gauss and Seidel over a level, in place: each pixel's two colours from its four neighbours' of the
 * moment. `Math.fround` stands where the reference holds a value in single precision.
 */
function sweep(level: Level, picture: Float32Array, alpha: Float32Array): void {
  const { width, height } = level;
  const system: Pixel = { a00: 0, a01: 0, a11: 0, right: new Float32Array(6) };
  for (let y = 0, pixel = 0; y < height; y++)
    for (let x = 0; x < width; x++, pixel++) {
      begin(system, alpha[pixel] as number, picture, pixel * 3);
      for (const [dx, dy] of NEIGHBOURS) {
        const x2 = Math.max(0, Math.min(width - 1, x + dx));
        const y2 = Math.max(0, Math.min(height - 1, y + dy));
        const other = y2 * width + x2;
        const gradient = Math.fround(Math.abs((alpha[pixel] as number) - (alpha[other] as number)));
        addNeighbour(system, level, other * 3, Math.fround(REGULARIZATION + gradient));
      }
      finish(system, level, pixel * 3);
    }
}

function begin(system: Pixel, alpha: number, picture: Float32Array, at: number): void {
  const rest = 1 - alpha;
  system.a00 = Math.fround(alpha * alpha);
  system.a01 = alpha * rest;
  system.a11 = rest * rest;
  for (let channel = 0; channel < 3; channel++) {
    const value = picture[at + channel] as number;
    system.right[channel] = alpha * value;
    system.right[3 + channel] = rest * value;
  }
}

function addNeighbour(system: Pixel, { foreground, background }: Level, at: number, weight: number): void {
  const { right } = system;
  system.a00 = Math.fround(system.a00 + weight);
  system.a11 += weight;
  for (let channel = 0; channel < 3; channel++) {
    const front = Math.fround(weight * (foreground[at + channel] as number));
    const back = Math.fround(weight * (background[at + channel] as number));
    right[channel] = (right[channel] as number) + front;
    right[3 + channel] = (right[3 + channel] as number) + back;
  }
}

function finish({ a00, a01, a11, right }: Pixel, { foreground, background }: Level, at: number): void {
  const scale = 1 / (a00 * a11 - a01 * a01);
  for (let channel = 0; channel < 3; channel++) {
    const front = right[channel] as number;
    const back = right[3 + channel] as number;
    foreground[at + channel] = clamped(scale * a11 * front + scale * -a01 * back);
    background[at + channel] = clamped(scale * -a01 * front + scale * a00 * back);
  }
}

function clamped(value: number): number {
  return Math.max(0, Math.min(1, value));
}
