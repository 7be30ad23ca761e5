import type { Raster } from '../../imaging/resample.ts';
import { KNOWN } from './trimap.ts';

/** Neighbours two pixels away in each direction share a window with a pixel. */
export const REACH = 5;
export const STENCIL = REACH * REACH;
const WINDOW = 9;
const EPSILON = 1e-7;

/** The linear system of the unknown pixels: `matrix · alpha = right`. */
export interface MattingSystem {
  /** Index of each unknown pixel among the unknown, -1 for the known. */
  index: Int32Array;
  /** The unknown pixels, in their order. */
  pixels: Int32Array;
  /** A row an unknown pixel: the weights of the 5 × 5 pixels around it. */
  matrix: Float64Array;
  right: Float64Array;
  width: number;
}

/**
 * The matting Laplacian of Levin, Lischinski and Weiss, "A Closed-Form Solution to Natural Image Matting" (2008),
 * equation 12, with windows of 3 × 3 pixels, and what the known pixels bring to the right side. In double precision.
 */
export function mattingSystem(picture: Raster, trimap: Uint8Array): MattingSystem {
  const { width, height } = picture;
  const index = new Int32Array(trimap.length).fill(-1);
  let count = 0;
  for (let pixel = 0; pixel < trimap.length; pixel++)
    if (trimap[pixel] === KNOWN.unknown) index[pixel] = count++;
  const pixels = new Int32Array(count);
  for (let pixel = 0; pixel < index.length; pixel++)
    if (index[pixel] !== -1) pixels[index[pixel] as number] = pixel;

  const matrix = new Float64Array(count * STENCIL);
  const window = new Int32Array(WINDOW);
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      for (let i = 0; i < WINDOW; i++) window[i] = (y + Math.floor(i / 3) - 1) * width + x + (i % 3) - 1;
      if (window.some((pixel) => index[pixel] !== -1)) addWindow(picture, window, index, matrix);
    }
  return { index, pixels, matrix, right: rightSide(trimap, index, pixels, matrix, width), width };
}

const centred = new Float64Array(WINDOW * 3);
const inverse = new Float64Array(6);

/** Adds what one window says of its pairs of pixels. The order of additions is that of the reference. */
function addWindow(picture: Raster, window: Int32Array, index: Int32Array, matrix: Float64Array): void {
  centreColours(picture, window);
  invertCovariance();
  const [m00, m01, m02, m11, m12, m22] = inverse as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let i = 0; i < WINDOW; i++) {
    const row = index[window[i] as number] as number;
    if (row === -1) continue;
    const red = centred[i * 3] as number;
    const green = centred[i * 3 + 1] as number;
    const blue = centred[i * 3 + 2] as number;
    const c0 = m00 * red + m01 * green + m02 * blue;
    const c1 = m01 * red + m11 * green + m12 * blue;
    const c2 = m02 * red + m12 * green + m22 * blue;
    for (let j = 0; j < WINDOW; j++) {
      const affinity =
        c0 * (centred[j * 3] as number) +
        c1 * (centred[j * 3 + 1] as number) +
        c2 * (centred[j * 3 + 2] as number);
      const dx = (j % 3) - (i % 3) + 2;
      const dy = Math.floor(j / 3) - Math.floor(i / 3) + 2;
      const at = row * STENCIL + dy * REACH + dx;
      matrix[at] = (matrix[at] as number) + ((i === j ? 1 : 0) - (1 + affinity) / WINDOW);
    }
  }
}

function centreColours({ data, channels }: Raster, window: Int32Array): void {
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    for (let i = 0; i < WINDOW; i++) {
      const value = (data[(window[i] as number) * channels + channel] as number) / 255;
      centred[i * 3 + channel] = value;
      sum += value;
    }
    for (let i = 0; i < WINDOW; i++)
      centred[i * 3 + channel] = (centred[i * 3 + channel] as number) - sum / WINDOW;
  }
}

function invertCovariance(): void {
  const covariance = (a: number, b: number): number => {
    let sum = a === b ? EPSILON : 0;
    for (let i = 0; i < WINDOW; i++) sum += (centred[i * 3 + a] as number) * (centred[i * 3 + b] as number);
    return sum / WINDOW;
  };
  const a00 = covariance(0, 0);
  const a01 = covariance(0, 1);
  const a02 = covariance(0, 2);
  const a11 = covariance(1, 1);
  const a12 = covariance(1, 2);
  const a22 = covariance(2, 2);
  // The determinant with its sign turned, as the cofactors below have theirs.
  const determinant =
    a00 * a12 * a12 + a01 * a01 * a22 + a02 * a02 * a11 - a00 * a11 * a22 - 2 * a01 * a02 * a12;
  const scale = 1 / determinant;
  inverse[0] = (a12 * a12 - a11 * a22) * scale;
  inverse[1] = (a01 * a22 - a02 * a12) * scale;
  inverse[2] = (a02 * a11 - a01 * a12) * scale;
  inverse[3] = (a02 * a02 - a00 * a22) * scale;
  inverse[4] = (a00 * a12 - a01 * a02) * scale;
  inverse[5] = (a01 * a01 - a00 * a11) * scale;
}

function rightSide(
  trimap: Uint8Array,
  index: Int32Array,
  pixels: Int32Array,
  matrix: Float64Array,
  width: number,
): Float64Array {
  const right = new Float64Array(pixels.length);
  for (let row = 0; row < pixels.length; row++) {
    let sum = 0;
    for (let k = 0; k < STENCIL; k++) {
      const pixel = neighbour(pixels[row] as number, k, width);
      if (pixel >= 0 && pixel < index.length && trimap[pixel] === KNOWN.foreground)
        sum += matrix[row * STENCIL + k] as number;
    }
    right[row] = -sum;
  }
  return right;
}

/** The pixel at a place of the stencil; one beyond the left or right edge has the weight 0. */
export function neighbour(pixel: number, place: number, width: number): number {
  return pixel + (Math.floor(place / REACH) - 2) * width + (place % REACH) - 2;
}
