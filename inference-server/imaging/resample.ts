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

/** One plane of samples that stand `channels` apart. */
function resampleChannel(source: Raster, channel: number, kernel: Kernel, output: Uint8Array): void {
  const { data, width, height, channels } = source;
  const { start, length, weights, stride } = kernel;
  for (let y = 0, to = channel; y < height; y++) {
    const row = y * width * channels + channel;
    for (let x = 0; x < start.length; x++, to += channels) {
      const end = x * stride + (length[x] as number);
      let from = row + (start[x] as number) * channels;
      let sum = HALF;
      for (let i = x * stride; i < end; i++, from += channels)
        sum += Math.imul(data[from] as number, weights[i] as number);
      output[to] = clampedSample(sum);
    }
  }
}

/** The three colours of each pixel together: a weight is read once for all of them. */
function resampleColours({ data, width, height }: Raster, kernel: Kernel, output: Uint8Array): void {
  const { start, length, weights, stride } = kernel;
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * width * 3;
    for (let x = 0; x < start.length; x++, to += 3) {
      const end = x * stride + (length[x] as number);
      let from = row + (start[x] as number) * 3;
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let i = x * stride; i < end; i++, from += 3) {
        const weight = weights[i] as number;
        red += Math.imul(data[from] as number, weight);
        green += Math.imul(data[from + 1] as number, weight);
        blue += Math.imul(data[from + 2] as number, weight);
      }
      output[to] = clampedSample(red);
      output[to + 1] = clampedSample(green);
      output[to + 2] = clampedSample(blue);
    }
  }
}

function resampleRows(source: Raster, width: number): Raster {
  const { channels, height } = source;
  const kernel = kernelFor(source.width, width);
  const output = new Uint8Array(width * height * channels);
  if (channels === 3) resampleColours(source, kernel, output);
  else for (let channel = 0; channel < channels; channel++) resampleChannel(source, channel, kernel, output);
  return { data: output, width, height, channels };
}

/** Four samples of a row at once: each weight is read once for them, and their sums stay in registers. */
function resampleColumns(source: Raster, height: number): Raster {
  const { channels, width } = source;
  const { start, length, weights, stride } = kernelFor(source.height, height);
  const input = source.data;
  const rowLength = width * channels;
  const output = new Uint8Array(rowLength * height);
  for (let y = 0; y < height; y++) {
    const end = y * stride + (length[y] as number);
    const first = (start[y] as number) * rowLength;
    const to = y * rowLength;
    let x = 0;
    for (; x + 4 <= rowLength; x += 4) {
      let from = first + x;
      let a = HALF;
      let b = HALF;
      let c = HALF;
      let d = HALF;
      for (let i = y * stride; i < end; i++, from += rowLength) {
        const weight = weights[i] as number;
        a += Math.imul(input[from] as number, weight);
        b += Math.imul(input[from + 1] as number, weight);
        c += Math.imul(input[from + 2] as number, weight);
        d += Math.imul(input[from + 3] as number, weight);
      }
      output[to + x] = clampedSample(a);
      output[to + x + 1] = clampedSample(b);
      output[to + x + 2] = clampedSample(c);
      output[to + x + 3] = clampedSample(d);
    }
    for (; x < rowLength; x++) {
      let sum = HALF;
      for (let i = y * stride, from = first + x; i < end; i++, from += rowLength)
        sum += Math.imul(input[from] as number, weights[i] as number);
      output[to + x] = clampedSample(sum);
    }
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
