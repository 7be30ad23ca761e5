import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import sharp, { type Sharp } from 'sharp';
import { decode } from './decode.ts';

const WIDTH = 24;
const HEIGHT = 16;
const COLOUR = [200, 40, 90] as const;

function flat(): Sharp {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => COLOUR[i % 3] as number);
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

async function firstPixel(bytes: Buffer, colours: 'srgb' | 'as-stored' = 'srgb'): Promise<number[]> {
  const { data, width, height, channels } = await decode(bytes, colours, 1_000_000);
  assert.deepEqual([width, height, data.length], [WIDTH, HEIGHT, WIDTH * HEIGHT * channels]);
  return [...data.subarray(0, channels)];
}

function assertNear(actual: number[], expected: readonly number[], tolerance: number): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(
      Math.abs(value - (actual[i] as number)) <= tolerance,
      `${actual.join()} for ${expected.join()}`,
    );
  });
}

describe('decoding', () => {
  it('gives 8-bit RGB of 16 bits, of a palette, and of every format', async () => {
    assert.deepEqual(await firstPixel(await flat().toColourspace('rgb16').png().toBuffer()), COLOUR);
    assert.deepEqual(await firstPixel(await flat().png({ palette: true }).toBuffer()), COLOUR);
    for (const format of ['jpeg', 'webp', 'avif'] as const)
      assertNear(await firstPixel(await flat().toFormat(format).toBuffer()), COLOUR, 3);
    assertNear(await firstPixel(await flat().avif({ bitdepth: 10 }).toBuffer()), COLOUR, 3);
  });

  it('gives three equal channels of grey, of 8 and of 16 bits, with and without alpha', async () => {
    const grey = flat().greyscale();
    for (const bytes of [
      await grey.clone().jpeg().toBuffer(),
      await grey.clone().png().toBuffer(),
      await grey.clone().toColourspace('grey16').png().toBuffer(),
    ]) {
      const [red, green, blue, ...rest] = await firstPixel(bytes);
      assert.deepEqual([green, blue, rest], [red, red, []]);
    }
    const translucent = sharp(new Uint8Array(WIDTH * HEIGHT * 2).fill(100), {
      raw: { width: WIDTH, height: HEIGHT, channels: 2 },
    });
    const png = await translucent.toColourspace('b-w').png().toBuffer();
    assert.deepEqual(await firstPixel(png), [100, 100, 100, 100]);
  });

  it('converts to sRGB from the profile in the file, or leaves the samples as they are', async () => {
    const wide = await flat().withIccProfile('p3').png().toBuffer();
    assertNear(await firstPixel(wide), COLOUR, 1);
    const stored = await firstPixel(wide, 'as-stored');
    assert.ok(Math.abs((stored[0] as number) - COLOUR[0]) > 8, stored.join());
  });

  it('converts CMYK, with a profile and without', async () => {
    const cmyk = flat().toColourspace('cmyk');
    assertNear(await firstPixel(await cmyk.clone().jpeg({ quality: 100 }).toBuffer()), COLOUR, 24);
    const withProfile = await cmyk.clone().withIccProfile('cmyk').jpeg({ quality: 100 }).toBuffer();
    assertNear(await firstPixel(withProfile), COLOUR, 24);
  });

  it('turns every orientation upright', async () => {
    const halves = sharp(
      Uint8Array.from({ length: 32 * 16 * 3 }, (_, i) => (Math.floor(i / 3) % 32 < 16 ? 255 : 0)),
      { raw: { width: 32, height: 16, channels: 3 } },
    );
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const bytes = await halves.clone().withMetadata({ orientation }).jpeg({ quality: 100 }).toBuffer();
      const picture = await decode(bytes, 'srgb', 1_000_000);
      const turned = orientation > 4;
      assert.deepEqual([picture.width, picture.height], turned ? [16, 32] : [32, 16]);
      const whiteFirst = [1, 4, 5, 6].includes(orientation);
      assert.equal((picture.data[0] as number) > 128, whiteFirst, `orientation ${orientation}`);
    }
  });
});
