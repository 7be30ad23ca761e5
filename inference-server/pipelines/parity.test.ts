import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { samples } from '../../test/support/pixels.ts';
import type { ClassMask } from './background-removal.ts';
import { toMasks } from './class-masks.ts';
import { compose } from './compose.ts';
import { decontaminatedCutout, mattedCutout } from './matting/matting.ts';

/* What rembg itself gave for small inputs: test/parity/README.md says how it was made. */

const bytes = z.string().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));
const floats = bytes.transform((read) => new Float32Array(read.buffer));
const size = z.object({ width: z.number(), height: z.number() });
const raster = size.extend({ channels: z.number(), data: bytes });
const reference = z
  .object({
    classes: z
      .array(
        z.object({
          prediction: floats,
          size,
          outputs: z.array(z.object({ category: z.string().nullable(), masks: z.array(raster) })).length(5),
        }),
      )
      .min(1),
    matted: z
      .array(
        z.object({
          picture: raster,
          mask: raster,
          options: z.object({ foreground: z.number(), background: z.number(), erode: z.number() }),
          output: raster,
        }),
      )
      .min(1),
    decontaminated: z.array(z.object({ picture: raster, mask: raster, output: raster })).min(1),
  })
  .parse(
    JSON.parse(readFileSync(new URL('../../test/parity/reference/removal.json', import.meta.url), 'utf8')),
  );

const CLOTHES: ClassMask[] = [
  { name: 'upper', values: [1], byDefault: true },
  { name: 'lower', values: [2], byDefault: true },
  { name: 'full', values: [3], byDefault: true },
  { name: 'attire', values: [1, 2, 3], byDefault: false },
];

function worst(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((most, value, at) => Math.max(most, Math.abs(value - (b[at] ?? 0))), 0);
}

describe("rembg's own results", () => {
  it('are those of the class masks, bit for bit, for each category and for all', () => {
    for (const { prediction, size: graph, outputs } of reference.classes)
      for (const { category, masks } of outputs) {
        const [first] = masks;
        assert.ok(first !== undefined);
        const pipeline = {
          size: graph,
          mean: [0, 0, 0],
          std: [1, 1, 1],
          activation: 'none',
          classes: CLOTHES,
        } as const;
        const ours = toMasks(prediction, pipeline, first, category ?? undefined);
        assert.equal(ours.length, category === null ? 3 : 1);
        for (const [index, mask] of masks.entries())
          assert.ok(Buffer.from(ours[index] ?? []).equals(mask.data), `${category ?? 'all'} ${index}`);
      }
  });

  it('are those of decontamination, within a sample', () => {
    for (const { picture, mask, output } of reference.decontaminated)
      assert.ok(worst(decontaminatedCutout(picture, mask.data).data, output.data) <= 1);
  });

  it('are those of alpha matting, within a sample', () => {
    for (const { picture, mask, options, output } of reference.matted) {
      const ours = mattedCutout(picture, mask.data, options);
      assert.ok(ours !== undefined);
      const difference = worst(ours.data, output.data);
      assert.ok(difference <= 1, `${JSON.stringify(options)}: ${difference}`);
    }
  });
});

describe('matting', () => {
  const picture = { data: samples(12 * 12 * 3), width: 12, height: 12, channels: 3 };
  const options = { output: 'cutout', alpha: 'premultiplied', smoothMask: false } as const;
  const settings = { foreground: 240, background: 10, erode: 3 };

  it('has nothing to do where the mask leaves nothing certain, and gives the decontaminated cut-out', () => {
    for (const value of [0, 128, 255]) {
      const mask = new Uint8Array(144).fill(value);
      assert.equal(mattedCutout(picture, mask, settings), undefined);
      const { data } = compose(picture, [mask], { ...options, matting: settings });
      assert.deepEqual(data, decontaminatedCutout(picture, mask).data);
    }
  });
});

describe('matting and decontamination', () => {
  it('are refused for a picture that would need more memory than a model process may take', () => {
    const [width, height] = [5000, 4000];
    const picture = { data: new Uint8Array(width * height * 3), width, height, channels: 3 };
    const mask = new Uint8Array(width * height);
    const settings = { foreground: 240, background: 10, erode: 3 };
    assert.throws(() => mattedCutout(picture, mask, settings), { code: 'matting_too_large' });
    assert.throws(() => decontaminatedCutout(picture, mask), { code: 'matting_too_large' });
  });

  it('are refused where most of it is unknown', () => {
    const [width, height] = [2000, 2000];
    const picture = { data: new Uint8Array(width * height * 3), width, height, channels: 3 };
    const mask = new Uint8Array(width * height).fill(128);
    mask.fill(255, 0, 100_000);
    mask.fill(0, 3_900_000);
    const settings = { foreground: 240, background: 10, erode: 3 };
    assert.throws(() => mattedCutout(picture, mask, settings), { code: 'matting_too_large', status: 422 });
  });
});

describe('several masks', () => {
  const picture = { data: samples(8 * 8 * 3), width: 8, height: 8, channels: 3 };
  const masks = [samples(64), samples(128).subarray(64)];
  const options = { alpha: 'premultiplied', smoothMask: false } as const;

  it('are stacked from top to bottom', () => {
    const both = compose(picture, masks, { ...options, output: 'cutout' });
    const parts = masks.map((mask) => compose(picture, [mask], { ...options, output: 'cutout' }).data);
    assert.deepEqual([both.width, both.height, both.channels], [8, 16, 4]);
    assert.deepEqual(Buffer.from(both.data), Buffer.concat(parts));
  });

  it('become opaque grey in RGBA when masks are asked for', () => {
    const both = compose(picture, masks, { ...options, output: 'mask' });
    assert.equal(both.channels, 4);
    assert.deepEqual([...both.data.subarray(0, 4)], [masks[0]?.[0], masks[0]?.[0], masks[0]?.[0], 255]);
  });
});
