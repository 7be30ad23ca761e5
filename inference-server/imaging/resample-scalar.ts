import { HALF, type Kernel, PRECISION_BITS } from './resample-kernel.ts';
import type { Raster } from './raster.ts';

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

/** Every row at another width. */
export function resampleRows(source: Raster, kernel: Kernel): Raster {
  const { channels, height } = source;
  const width = kernel.start.length;
  const output = new Uint8Array(width * height * channels);
  if (channels === 3) resampleColours(source, kernel, output);
  else for (let channel = 0; channel < channels; channel++) resampleChannel(source, channel, kernel, output);
  return { data: output, width, height, channels };
}

/** Every column at another height: four samples of a row at once: each weight is read once for them, and their sums stay in registers. */
export function resampleColumns(source: Raster, { start, length, weights, stride }: Kernel): Raster {
  const { channels, width } = source;
  const height = start.length;
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
