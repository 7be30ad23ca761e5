import { type Raster, resampleLanczos } from '../imaging/resample.ts';

/** The constants of a background-removal graph: data of its manifest, never of its family's name. */
export interface BackgroundRemoval {
  size: { width: number; height: number };
  /** Of the picture scaled to 0..1, red, green, blue. */
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
  /** Applied to the graph's first output before it is stretched to 0..1. */
  activation: 'none' | 'sigmoid';
  /** For a graph with one channel a class: the masks that it can give. */
  classes?: readonly ClassMask[] | undefined;
}

/** A mask of a graph with one channel a class. */
export interface ClassMask {
  name: string;
  /** The channels that belong to it, from 0. */
  values: readonly number[];
  /** Whether it answers a request that names none. */
  byDefault: boolean;
}

/**
 * The graph's input, [1, 3, height, width] in float32, of an RGB or RGBA picture. The steps are those of rembg's
 * sessions: alpha dropped, Lanczos without keeping the aspect, divided by the largest sample of the resized picture
 * rather than by 255, then mean and standard deviation in double precision.
 * @param input is filled and given back: memory that was used before costs no page faults.
 */
export function toInput(
  picture: Raster,
  pipeline: BackgroundRemoval,
  input: Float32Array = new Float32Array(3 * pipeline.size.width * pipeline.size.height),
): Float32Array {
  const { width, height } = pipeline.size;
  const { data } = resampleLanczos(withoutAlpha(picture), width, height);
  const largest = largestOf(data);
  const [red, green, blue] = [0, 1, 2].map((channel) =>
    normalized(largest, pipeline.mean[channel] as number, pipeline.std[channel] as number),
  ) as [Float32Array, Float32Array, Float32Array];
  const pixels = width * height;
  for (let pixel = 0, from = 0; pixel < pixels; pixel++, from += 3) {
    input[pixel] = red[data[from] as number] as number;
    input[pixels + pixel] = green[data[from + 1] as number] as number;
    input[2 * pixels + pixel] = blue[data[from + 2] as number] as number;
  }
  return input;
}

/** By index: an iterator over millions of samples takes several times as long. */
function largestOf(samples: Uint8Array): number {
  let largest = 0;
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i] as number;
    if (sample > largest) largest = sample;
  }
  return largest;
}

/** What each of the 256 samples becomes. */
function normalized(largest: number, mean: number, std: number): Float32Array {
  const divisor = Math.max(largest, 1e-6);
  return Float32Array.from({ length: 256 }, (_, sample) => (sample / divisor - mean) / std);
}

function withoutAlpha(picture: Raster): Raster {
  if (picture.channels === 3) return picture;
  const { width, height, channels, data } = picture;
  const output = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < output.length; from += channels, to += 3) {
    output[to] = data[from] as number;
    output[to + 1] = data[from + 1] as number;
    output[to + 2] = data[from + 2] as number;
  }
  return { data: output, width, height, channels: 3 };
}

/**
 * The mask, 8 bits and of the size asked for, from the graph's first output: its first channel, stretched between its
 * smallest and largest value in single precision, truncated to bytes, Lanczos to the picture's size. A flat output,
 * which rembg divides by zero, gives an empty mask.
 * @throws RangeError when the output is not finite.
 */
export function toMask(
  output: Float32Array,
  pipeline: BackgroundRemoval,
  size: { width: number; height: number },
): Uint8Array {
  const { width, height } = pipeline.size;
  const values = output.subarray(0, width * height);
  if (pipeline.activation === 'sigmoid') sigmoid(values);
  let smallest = Infinity;
  let largest = -Infinity;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value < smallest) smallest = value;
    if (value > largest) largest = value;
    sum += value;
  }
  // A NaN escapes both comparisons above, but not the sum.
  if (!Number.isFinite(sum)) throw new RangeError('the output of the model is not finite');
  const range = Math.fround(largest - smallest);
  const mask = new Uint8Array(values.length);
  if (range > 0)
    for (let i = 0; i < mask.length; i++) {
      const stretched = Math.fround(Math.fround((values[i] as number) - smallest) / range);
      mask[i] = Math.trunc(Math.fround(stretched * 255));
    }
  return resampleLanczos({ data: mask, width, height, channels: 1 }, size.width, size.height).data;
}

function sigmoid(values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    const exponential = Math.fround(Math.exp(-(values[i] as number)));
    values[i] = 1 / Math.fround(1 + exponential);
  }
}
