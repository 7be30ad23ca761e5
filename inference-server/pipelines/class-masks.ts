import { resampleLanczos } from '../imaging/resample.ts';
import type { BackgroundRemoval } from './background-removal.ts';

/** A mask that a graph with one channel a class can give. */
export interface ClassMask {
  name: string;
  /** The channels that belong to it. */
  values: readonly number[];
  /** Whether it answers a request that names none. */
  byDefault: boolean;
}

/** The masks to give: the one named, or all that are given by default. */
export function chosenMasks(classes: readonly ClassMask[], name: string | undefined): readonly ClassMask[] {
  return classes.filter((mask) => (name === undefined ? mask.byDefault : mask.name === name));
}

/**
 * One mask a choice, 8 bits and of the size asked for, from the graph's first output, [1, channels, height, width]: the
 * class of a pixel is its largest channel, the first of equals. As rembg does, it is the map of class numbers that is
 * resampled, by Lanczos, so that an edge between two classes crosses those between.
 */
export function toClassMasks(
  output: Float32Array,
  pipeline: Pick<BackgroundRemoval, 'size'>,
  size: { width: number; height: number },
  choices: readonly ClassMask[],
): Uint8Array[] {
  const { width, height } = pipeline.size;
  const pixels = width * height;
  const channels = output.length / pixels;
  const data = largestChannels(output, pixels, channels);
  const map = resampleLanczos({ data, width, height, channels: 1 }, size.width, size.height).data;
  return choices.map(({ values }) => {
    const shades = shadesOf(values, channels);
    return map.map((number) => shades[number] as number);
  });
}

function largestChannels(output: Float32Array, pixels: number, channels: number): Uint8Array {
  const map = new Uint8Array(pixels);
  const largest = output.slice(0, pixels);
  for (let channel = 1; channel < channels; channel++)
    for (let pixel = 0, at = channel * pixels; pixel < pixels; pixel++, at++) {
      const value = output[at] as number;
      if (value <= (largest[pixel] as number)) continue;
      largest[pixel] = value;
      map[pixel] = channel;
    }
  return map;
}

/** White for the classes of a mask, black for the others; numbers that only the resampling makes stay as they are. */
function shadesOf(values: readonly number[], channels: number): Uint8Array {
  const shades = Uint8Array.from({ length: 256 }, (_, number) => (number < channels ? 0 : number));
  for (const value of values) shades[value] = 255;
  return shades;
}
