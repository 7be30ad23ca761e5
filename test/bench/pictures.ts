import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { cutOut } from '../../inference-server/imaging/composite.ts';
import { decode } from '../../inference-server/imaging/decode.ts';
import { encode } from '../../inference-server/imaging/encode.ts';
import { kernelFor } from '../../inference-server/imaging/resample-kernel.ts';
import * as scalar from '../../inference-server/imaging/resample-scalar.ts';
import { type Raster, resampleLanczos } from '../../inference-server/imaging/resample.ts';

const MODEL_SIDE = 1024;
const SIZES = [
  [1024, 1024],
  [1500, 1000],
  [4000, 3000],
] as const;
const ROUNDS = 10;

/** Of each part the least of several times: what else the machine does only adds to it. */
type Times = Map<string, number>;

async function time<T>(times: Times, what: string, work: () => T | Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  times.set(what, Math.min(performance.now() - started, times.get(what) ?? Infinity));
  return result;
}

/** As it was before the vector passes, which give the same bytes. */
function scalarLanczos(source: Raster, width: number, height: number): Raster {
  const wide = source.width === width ? source : scalar.resampleRows(source, kernelFor(source.width, width));
  return wide.height === height ? wide : scalar.resampleColumns(wide, kernelFor(wide.height, height));
}

async function round(photo: Buffer, times: Times): Promise<void> {
  const picture = await time(times, 'decode', () => decode(photo, 'as-stored', 50_000_000));
  const input = await time(times, 'to the model’s size', () =>
    resampleLanczos(picture, MODEL_SIDE, MODEL_SIDE),
  );
  const grey = { ...input, channels: 1, data: input.data.filter((_, i) => i % 3 === 0) };
  const { width, height } = picture;
  const mask = await time(times, 'mask to the photo’s size', () => resampleLanczos(grey, width, height));
  await time(times, 'to the model’s size, scalar', () => scalarLanczos(picture, MODEL_SIDE, MODEL_SIDE));
  await time(times, 'mask to the photo’s size, scalar', () => scalarLanczos(grey, width, height));
  const result = await time(times, 'cut out', () => cutOut(picture, mask.data, 'premultiplied'));
  await time(times, 'PNG', () => encode(result, 'png'));
}

/** Times what stands around the model, part by part, and prints a table in Markdown. */
export async function measurePictures(): Promise<void> {
  const original = await readFile('examples/photos/astronaut.jpg');
  const measured: Times[] = [];
  for (const [width, height] of SIZES) {
    const photo = await sharp(original)
      .resize(width, height, { fit: 'fill' })
      .jpeg({ quality: 92 })
      .toBuffer();
    const times: Times = new Map();
    for (let i = 0; i < ROUNDS; i++) await round(photo, times);
    measured.push(times);
  }
  console.log(
    `The least of ${ROUNDS} rounds, in milliseconds; the model’s input is ${MODEL_SIDE} × ${MODEL_SIDE}.\n`,
  );
  console.log(`| Part | ${SIZES.map((size) => size.join(' × ')).join(' | ')} |`);
  console.log(`| --- | ${SIZES.map(() => '---').join(' | ')} |`);
  for (const part of measured[0]?.keys() ?? [])
    console.log(`| ${part} | ${measured.map((times) => times.get(part)?.toFixed(1)).join(' | ')} |`);
}
