/** Pixels as rows of interleaved 8-bit samples. */
export interface Raster {
  data: Uint8Array;
  width: number;
  height: number;
  channels: number;
}

/** For every output position: where its window of input positions begins, how long it is, and its weights. */
interface Kernel {
  start: Int32Array;
  length: Int32Array;
  weights: Int32Array;
  /** Distance between the weights of two neighbouring output positions. */
  stride: number;
}

const LOBES = 3;
/** Weights are fixed-point: 32 bits, less 8 for the sample, less 2 for sign and overshoot. */
const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

function sinc(x: number): number {
  if (x === 0) return 1;
  const angle = x * Math.PI;
  return Math.sin(angle) / angle;
}

function lanczos(x: number): number {
  return x >= -LOBES && x < LOBES ? sinc(x) * sinc(x / LOBES) : 0;
}

function toFixed(weight: number): number {
  const scaled = weight * (1 << PRECISION_BITS);
  return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

function kernelFor(inputSize: number, outputSize: number): Kernel {
  const scale = inputSize / outputSize;
  const filterScale = Math.max(scale, 1);
  const support = LOBES * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const start = new Int32Array(outputSize);
  const length = new Int32Array(outputSize);
  const weights = new Int32Array(outputSize * stride);
  const exact = new Float64Array(stride);
  for (let out = 0; out < outputSize; out++) {
    const centre = (out + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const count = Math.min(Math.trunc(centre + support + 0.5), inputSize) - first;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const weight = lanczos((i + first - centre + 0.5) * (1 / filterScale));
      exact[i] = weight;
      sum += weight;
    }
    for (let i = 0; i < count; i++) {
      const weight = exact[i] ?? 0;
      weights[out * stride + i] = toFixed(sum === 0 ? weight : weight / sum);
    }
    start[out] = first;
    length[out] = count;
  }
  return { start, length, weights, stride };
}

function clampedSample(sum: number): number {
  const sample = sum >> PRECISION_BITS;
  return sample < 0 ? 0 : sample > 255 ? 255 : sample;
}

/** One output sample: input samples from `first` on, `step` apart, by the weights of output position `out`. */
function weightedSum(input: Uint8Array, first: number, step: number, kernel: Kernel, out: number): number {
  const { weights } = kernel;
  const base = out * kernel.stride;
  const count = kernel.length[out] as number;
  let sum = HALF;
  for (let i = 0, from = first; i < count; i++, from += step)
    sum += Math.imul(input[from] as number, weights[base + i] as number);
  return sum;
}

function resampleRows(source: Raster, width: number): Raster {
  const { channels, height } = source;
  const kernel = kernelFor(source.width, width);
  const output = new Uint8Array(width * height * channels);
  const inputStride = source.width * channels;
  let at = 0;
  for (let y = 0; y < height; y++) {
    const row = y * inputStride;
    for (let x = 0; x < width; x++) {
      const first = row + (kernel.start[x] as number) * channels;
      for (let channel = 0; channel < channels; channel++) {
        output[at++] = clampedSample(weightedSum(source.data, first + channel, channels, kernel, x));
      }
    }
  }
  return { data: output, width, height, channels };
}

/** Adds up whole rows, so that memory is read in its order. */
function resampleColumns(source: Raster, height: number): Raster {
  const { channels, width } = source;
  const { start, length, weights, stride } = kernelFor(source.height, height);
  const input = source.data;
  const rowLength = width * channels;
  const output = new Uint8Array(rowLength * height);
  const sums = new Int32Array(rowLength);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    const first = start[y] as number;
    const count = length[y] as number;
    for (let i = 0; i < count; i++) {
      const weight = weights[y * stride + i] as number;
      const row = (first + i) * rowLength;
      for (let x = 0; x < rowLength; x++)
        sums[x] = (sums[x] as number) + Math.imul(input[row + x] as number, weight);
    }
    const row = y * rowLength;
    for (let x = 0; x < rowLength; x++) output[row + x] = clampedSample(sums[x] as number);
  }
  return { data: output, width, height, channels };
}

/**
 * Lanczos with three lobes, sample for sample what Pillow's `Image.resize(size, LANCZOS)` gives for modes L and RGB:
 * horizontal pass first, each pass rounded to 8 bits, a pass whose size does not change left out, and an image that
 * has the size already given back as it is.
 */
export function resampleLanczos(source: Raster, width: number, height: number): Raster {
  const wide = source.width === width ? source : resampleRows(source, width);
  return wide.height === height ? wide : resampleColumns(wide, height);
}
