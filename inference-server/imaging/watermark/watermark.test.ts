import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { samples } from '../../../test/support/pixels.ts';
import type { Raster } from '../resample.ts';
import { CODED_BITS, decodeTag, encodeTag } from './message.ts';
import { createWatermark, SMALLEST_SIDE } from './watermark.ts';

const KEY = Buffer.from('a key of the tests, 32 bytes long');
const OWNER = 'tenant:acme';
const watermark = createWatermark(KEY);
const photo = readFileSync(new URL('../../../examples/photos/astronaut.jpg', import.meta.url));

async function rasterOf(image: Sharp): Promise<Raster> {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height, channels: info.channels };
}

function imageOf({ data, width, height, channels }: Raster): Sharp {
  return sharp(data, { raw: { width, height, channels: channels as 3 | 4 } });
}

function marked(picture: Raster): Raster {
  const copy = { ...picture, data: picture.data.slice() };
  assert.equal(watermark.embed(copy, OWNER), true);
  return copy;
}

async function readAfter(picture: Raster, attack: (image: Sharp) => Sharp): Promise<string | undefined> {
  return watermark.read(await rasterOf(sharp(await attack(imageOf(picture)).toBuffer())));
}

const original = await rasterOf(sharp(photo));
/** The person cut out: an ellipse with a soft edge. */
const cutout: Raster = {
  ...original,
  channels: 4,
  data: Uint8Array.from({ length: 512 * 512 * 4 }, (_, i) => {
    const pixel = i >> 2;
    if (i % 4 < 3) return original.data[pixel * 3 + (i % 4)] as number;
    const distance = Math.hypot(((pixel % 512) - 256) / 170, (Math.floor(pixel / 512) - 256) / 240);
    return Math.max(0, Math.min(255, Math.round((1 - distance) * 2000)));
  }),
};

describe('the invisible watermark', () => {
  it('is read from the marked picture, with the tag of its owner and nobody else’s', () => {
    const tag = watermark.read(marked(original));
    assert.equal(tag, watermark.tagOf(OWNER));
    assert.notEqual(tag, watermark.tagOf('tenant:other'));
    assert.match(tag, /^[0-9a-f]{10}$/);
  });

  it('survives JPEG 75 and resizing by a fifth either way, and both together', async () => {
    const picture = marked(original);
    const scaled = (factor: number) => (image: Sharp) =>
      image.resize(Math.round(512 * factor), Math.round(512 * factor));
    const attacks: ((image: Sharp) => Sharp)[] = [
      (image) => image.jpeg({ quality: 75 }),
      (image) => scaled(0.8)(image).png(),
      (image) => scaled(1.2)(image).png(),
      (image) => scaled(0.8)(image).jpeg({ quality: 75 }),
      (image) => scaled(1.2)(image).jpeg({ quality: 75 }),
      (image) => image.webp({ quality: 75 }),
    ];
    for (const attack of attacks) assert.equal(await readAfter(picture, attack), watermark.tagOf(OWNER));
  });

  it('leaves a picture at 38 dB or better', () => {
    const picture = marked(original);
    let squares = 0;
    picture.data.forEach((value, i) => (squares += (value - (original.data[i] as number)) ** 2));
    assert.ok(10 * Math.log10(255 ** 2 / (squares / picture.data.length)) >= 38);
  });

  it('leaves what is not opaque as it was, and survives a white background and JPEG 75', async () => {
    const picture = marked(cutout);
    for (let at = 0; at < picture.data.length; at += 4) {
      assert.equal(picture.data[at + 3], cutout.data[at + 3]);
      if (cutout.data[at + 3] !== 255)
        assert.deepEqual(picture.data.subarray(at, at + 3), cutout.data.subarray(at, at + 3));
    }
    for (const attack of [
      (image: Sharp) => image.png(),
      (image: Sharp) => image.flatten({ background: '#ffffff' }).jpeg({ quality: 75 }),
      (image: Sharp) => image.resize(410, 410).png(),
    ])
      assert.equal(await readAfter(picture, attack), watermark.tagOf(OWNER));
  });

  it('is not read with another key, nor from what was never marked', () => {
    const other = createWatermark(Buffer.from('another key of the tests, as long'));
    assert.equal(other.read(marked(original)), undefined);
    assert.equal(watermark.read(original), undefined);
    assert.equal(watermark.read(cutout), undefined);
    assert.equal(watermark.read({ ...original, data: samples(original.data.length) }), undefined);
    assert.equal(watermark.read({ ...original, data: new Uint8Array(original.data.length) }), undefined);
  });

  it('is refused, with the picture unchanged, where it could not be read: too small, or hardly anything opaque', () => {
    const side = SMALLEST_SIDE - 1;
    const small: Raster = { data: samples(side * 400 * 3), width: side, height: 400, channels: 3 };
    const clear: Raster = { data: new Uint8Array(400 * 400 * 4), width: 400, height: 400, channels: 4 };
    for (const picture of [small, clear]) {
      const before = picture.data.slice();
      assert.equal(watermark.embed(picture, OWNER), false);
      assert.deepEqual(picture.data, before);
    }
  });

  it('needs a key of 16 bytes at least', () => {
    assert.throws(() => createWatermark(new Uint8Array(15)), RangeError);
  });
});

describe('the code that carries the tag', () => {
  const keys = { tag: Buffer.from('t'), check: Buffer.from('c') };
  const tags = fc.bigInt(0n, 2n ** 40n - 1n).map((value) => value.toString(16).padStart(10, '0'));
  const softOf = (coded: Uint8Array): Float32Array => Float32Array.from(coded, (bit) => 2 * bit - 1);

  it('gives every tag back, also when four coded bits anywhere are wrong', () => {
    const places = fc.uniqueArray(fc.nat(CODED_BITS - 1), { maxLength: 4 });
    fc.assert(
      fc.property(tags, places, (tag, wrong) => {
        const soft = softOf(encodeTag(tag, keys));
        for (const at of wrong) soft[at] = -(soft[at] as number);
        assert.equal(decodeTag(soft, keys), tag);
      }),
    );
  });

  it('finds no tag in noise', () => {
    const noise = fc.array(fc.float({ noNaN: true, min: -1, max: 1 }), {
      minLength: CODED_BITS,
      maxLength: CODED_BITS,
    });
    fc.assert(
      fc.property(noise, (values) => {
        assert.equal(decodeTag(Float32Array.from(values), keys), undefined);
      }),
      { numRuns: 200 },
    );
  });
});
