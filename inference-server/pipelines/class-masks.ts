import { resampleLanczos } from '../imaging/resample.ts';
import { refusal } from '../messages.ts';
import { type BackgroundRemoval, type ClassMask, toMask } from './background-removal.ts';

/** @throws RequestError `class_unknown` when the model has no such class. */
export function assertClass(model: string, { classes }: BackgroundRemoval, name: string | undefined): void {
  if (name === undefined || classes?.some((mask) => mask.name === name) === true) return;
  const names = classes?.map((mask) => mask.name) ?? [];
  throw refusal('class_unknown', {
    model,
    found: JSON.stringify(name.slice(0, 80)),
    classes: names.length === 0 ? ['–'] : names,
  });
}

/** How many masks `toMasks` will give. */
export function maskCount({ classes }: BackgroundRemoval, name: string | undefined): number {
  return classes === undefined ? 1 : chosenOf(classes, name).length;
}

function chosenOf(classes: readonly ClassMask[], name: string | undefined): ClassMask[] {
  return classes.filter((mask) => (name === undefined ? mask.byDefault : mask.name === name));
}

/**
 * The masks of a picture from the graph's first output: one of its first channel, or, of a model with classes, the one
 * named or all that are given by default.
 */
export function toMasks(
  output: Float32Array,
  pipeline: BackgroundRemoval,
  size: { width: number; height: number },
  name: string | undefined,
): Uint8Array[] {
  const { classes } = pipeline;
  if (classes === undefined) return [toMask(output, pipeline, size)];
  return toClassMasks(output, pipeline, size, chosenOf(classes, name));
}

/**
 * One mask a choice, 8 bits and of the size asked for, from the graph's first output, [1, channels, height, width]: the
 * class of a pixel is its largest channel, the first of equals. As rembg does, it is the map of class numbers that is
 * resampled, by Lanczos, so that an edge between two classes crosses those between.
 */
function toClassMasks(
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
    const shades = shadesOf(values);
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

/** White for the classes of a mask, black for the others and for numbers that only the resampling makes. */
function shadesOf(values: readonly number[]): Uint8Array {
  const shades = new Uint8Array(256);
  for (const value of values) shades[value] = 255;
  return shades;
}
