import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { toInput, toMask } from '../pipelines/background-removal.ts';
import { smoothMask } from '../pipelines/mask-smoothing.ts';
import { cutOut, putBehind } from './composite.ts';
import { decode } from './decode.ts';
import { type Raster, resampleLanczos } from './resample.ts';

/*
 * What rembg and Pillow themselves gave for small inputs, and for photographs: test/parity/README.md says how it was
 * made. Everything here is compared bit for bit, except where floating-point libraries may differ in their last bit.
 */

const MAX_PIXELS = 1_000_000;
const folder = new URL('../../test/parity/', import.meta.url);
const photoFolders = { astronaut: new URL('../../examples/photos/', import.meta.url) } as Record<string, URL>;

const bytes = z.string().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const floats = bytes.transform((read) => new Float32Array(read.buffer));
const size = z.object({ width: z.number(), height: z.number() });
const raster = size.extend({ channels: z.number(), data: bytes });
const rgba = z.tuple([z.number(), z.number(), z.number(), z.number()]);
const rgb = z.tuple([z.number(), z.number(), z.number()]);
const resize = z.object({ input: raster, output: raster });

const functions = z
  .object({
    resizes: z.array(resize).min(1),
    smoothed: z.array(resize).min(1),
    orientations: z
      .array(z.object({ orientation: z.number(), type: z.string(), file: bytes, output: raster }))
      .length(16),
    cutouts: z
      .array(
        z.object({
          picture: raster,
          mask: raster,
          premultiplied: raster,
          replaced: raster,
          backgrounds: z.array(z.object({ colour: rgba, output: raster })).min(1),
        }),
      )
      .min(1),
    inputs: z.array(z.object({ picture: raster, mean: rgb, std: rgb, size, output: floats })).min(1),
    masks: z
      .array(z.object({ activation: z.enum(['none', 'sigmoid']), prediction: floats, size, output: raster }))
      .min(1),
  })
  .parse(readJson('reference/functions.json'));

const pixels = size.extend({ mode: z.string(), pixelsSha256: z.string() });
const file = pixels.extend({ file: z.string() });
const reference = z
  .object({
    background: rgba,
    photos: z.record(z.string(), z.object({ file: z.string(), decoded: pixels })),
    models: z.object({
      medium: z.object({
        outputs: z.record(z.string(), z.object({ mask: file, cutout: file, background: pixels })),
      }),
    }),
  })
  .parse(readJson('reference/reference.json'));

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, folder), 'utf8'));
}

function named({ width, height, channels }: Raster): string {
  return `${width}×${height}×${channels}`;
}

function assertSame(actual: Raster, expected: Raster): void {
  assert.equal(named(actual), named(expected));
  assert.deepEqual(Buffer.from(actual.data), Buffer.from(expected.data));
}

function largestDifference(actual: Uint8Array, expected: Uint8Array): number {
  assert.equal(actual.length, expected.length);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (actual[i] as number))), 0);
}

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

describe('the imaging functions beside Pillow and rembg', () => {
  for (const { input, output } of functions.resizes)
    it(`resample ${named(input)} to ${named(output)} as Pillow's LANCZOS does`, () => {
      assertSame(resampleLanczos(input, output.width, output.height), output);
    });

  for (const { orientation, type, file: stored, output } of functions.orientations)
    it(`turn a ${type} of orientation ${orientation} upright`, async () => {
      assertSame(await decode(stored, 'as-stored', MAX_PIXELS), output);
    });

  for (const { picture, mask, premultiplied, replaced, backgrounds } of functions.cutouts) {
    it(`cut ${named(picture)} out as rembg does, by default and with putalpha`, () => {
      assertSame(cutOut(picture, mask.data, 'premultiplied'), premultiplied);
      assertSame(cutOut(picture, mask.data, 'replaced'), replaced);
    });
    for (const { colour, output } of backgrounds)
      it(`put the colour ${colour.join(',')} behind a cut-out of ${named(picture)}`, () => {
        const raster = { ...premultiplied, data: premultiplied.data.slice() };
        putBehind(raster, colour);
        assertSame(raster, output);
      });
  }

  for (const { input, output } of functions.smoothed)
    it(`smooth a mask of ${named(input)} as rembg's post_process does`, () => {
      assertSame({ ...input, data: smoothMask(input.data, input.width, input.height) }, output);
    });

  for (const { picture, mean, std, size: target, output } of functions.inputs)
    it(`make the model's input of ${named(picture)} with mean ${mean[0]} to the last bit`, () => {
      assert.deepEqual(toInput(picture, { size: target, mean, std, activation: 'none' }), output);
    });

  for (const { activation, prediction, size: from, output } of functions.masks)
    it(`make a mask of ${named(output)} from ${from.width}×${from.height} with activation ${activation}`, () => {
      const pipeline = { size: from, mean: [0, 0, 0], std: [1, 1, 1], activation } as const;
      const mask = toMask(prediction.slice(), pipeline, output);
      // numpy's exponential and ours differ in the last bit of a float, which may truncate to the next byte.
      const allowed = activation === 'sigmoid' ? 1 : 0;
      assert.ok(largestDifference(mask, output.data) <= allowed);
    });
});

describe('a photograph on its way to a cut-out beside rembg', () => {
  for (const [name, photo] of Object.entries(reference.photos)) {
    const made = reference.models.medium.outputs[name];
    const read = async (): Promise<Raster> => {
      const stored = readFileSync(new URL(photo.file, photoFolders[name] ?? new URL('photos/', folder)));
      return decode(stored, 'as-stored', MAX_PIXELS);
    };
    const readReference = async (path: string): Promise<Raster> =>
      decode(readFileSync(new URL(`reference/${path}`, folder)), 'as-stored', MAX_PIXELS);

    it(`${name}: is decoded to the same pixels`, async () => {
      const picture = await read();
      assert.deepEqual(
        { width: picture.width, height: picture.height, pixelsSha256: digest(picture.data) },
        {
          width: photo.decoded.width,
          height: photo.decoded.height,
          pixelsSha256: photo.decoded.pixelsSha256,
        },
      );
    });

    it(`${name}: with rembg's mask, becomes rembg's cut-out, on a background too`, async () => {
      assert.ok(made !== undefined);
      const mask = await readReference(made.mask.file);
      const coverage = mask.data.filter((_, i) => i % mask.channels === 0);
      const cut = cutOut(await read(), coverage, 'premultiplied');
      assertSame(cut, await readReference(made.cutout.file));
      putBehind(cut, reference.background);
      assert.equal(digest(cut.data), made.background.pixelsSha256);
    });
  }
});
