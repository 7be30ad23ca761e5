import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import { RequestError } from '../../foundation/errors.ts';
import { samples } from '../../test/support/pixels.ts';
import { decode } from './decode.ts';
import { assertEncodable, encode } from './encode.ts';
import { outputFormats } from './output-formats.ts';
import type { Raster } from './resample.ts';

const rgba: Raster = { data: samples(64 * 48 * 4), width: 64, height: 48, channels: 4 };

function codeOf(check: () => void): string {
  try {
    check();
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof RequestError);
    return `${error.status} ${error.code}`;
  }
}

describe('encoding', () => {
  it('keeps every sample in a PNG, with alpha, without and in grey', async () => {
    for (const channels of [1, 3, 4]) {
      const raster = { ...rgba, data: samples(64 * 48 * channels), channels };
      const { data, info } = await sharp(await encode(raster, 'png'))
        .toColourspace(channels === 1 ? 'b-w' : 'srgb')
        .raw()
        .toBuffer({ resolveWithObject: true });
      assert.equal(info.channels, channels);
      assert.deepEqual(data, Buffer.from(raster.data));
    }
  });

  it('keeps alpha in PNG, WebP and AVIF, and puts a background behind it in JPEG', async () => {
    for (const format of outputFormats) {
      const { hasAlpha, width, height } = await sharp(await encode(rgba, format)).metadata();
      assert.deepEqual([format, hasAlpha, width, height], [format, format !== 'jpeg', 64, 48]);
    }
    const clear: Raster = { data: new Uint8Array(64 * 48 * 4), width: 64, height: 48, channels: 4 };
    const pixel = async (bytes: Buffer): Promise<number[]> => [
      ...(await sharp(bytes).raw().toBuffer()).subarray(0, 3),
    ];
    assert.deepEqual(await pixel(await encode(clear, 'jpeg')), [255, 255, 255]);
    const [red, green, blue] = await pixel(await encode(clear, 'jpeg', { background: [10, 200, 30, 255] }));
    assert.ok(Math.abs((red as number) - 10) < 4 && Math.abs((green as number) - 200) < 4);
    assert.ok(Math.abs((blue as number) - 30) < 4);
    assert.ok(clear.data.every((value) => value === 0));
  });

  it('leaves nothing of the metadata of what came in: no EXIF, place, XMP, IPTC, comment or profile', async () => {
    const noted = await sharp(samples(64 * 48 * 3), { raw: { width: 64, height: 48, channels: 3 } })
      .withExif({
        IFD0: { Copyright: 'Ada Lovelace', Make: 'SecretCamera' },
        IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 3230/100' },
      })
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"><place>SecretPlace</place></x:xmpmeta>')
      .withIccProfile('p3')
      .jpeg()
      .toBuffer();
    assert.match(noted.toString('latin1'), /SecretCamera[^]*SecretPlace/);
    const picture = await decode(noted, 'srgb', 1_000_000);
    for (const format of outputFormats) {
      const bytes = await encode(picture, format);
      const { exif, xmp, icc, iptc, comments, orientation } = await sharp(bytes).metadata();
      assert.deepEqual(
        [format, exif, xmp, icc, iptc, comments, orientation],
        [format, ...Array.from({ length: 6 }, () => undefined)],
      );
      assert.doesNotMatch(bytes.toString('latin1'), /Secret|Lovelace|GPS|Exif|ICC_PROFILE|xmp/);
    }
  });

  it('gives the same bytes each time', async () => {
    for (const format of outputFormats)
      assert.deepEqual(await encode(rgba, format), await encode(rgba, format), format);
  });

  it('makes a smaller file of a lower quality', async () => {
    for (const format of ['jpeg', 'webp', 'avif'] as const) {
      const [low, high] = await Promise.all([20, 95].map((quality) => encode(rgba, format, { quality })));
      assert.ok((low?.length ?? 0) < (high?.length ?? 0), format);
    }
  });

  it('refuses sides that a format cannot hold, with a sentence, and not one pixel less', async () => {
    const most = { jpeg: 65_500, webp: 16_383, avif: 16_384 } as const;
    for (const [format, side] of Object.entries(most) as [keyof typeof most, number][]) {
      assert.equal(
        codeOf(() => {
          assertEncodable({ width: 1, height: side }, format);
        }),
        'accepted',
      );
      assert.equal(
        codeOf(() => {
          assertEncodable({ width: side + 1, height: 1 }, format);
        }),
        '422 result_too_large',
      );
      const widest = { data: new Uint8Array(side * 3), width: side, height: 1, channels: 3 };
      assert.ok((await encode(widest, format)).length > 0, format);
    }
    await assert.rejects(
      encode({ data: new Uint8Array(16_384 * 3), width: 1, height: 16_384, channels: 3 }, 'webp'),
      /1 × 16384.*WEBP has at most 16383.*png/,
    );
    assert.equal(
      codeOf(() => {
        assertEncodable({ width: 100_000, height: 1 }, 'png');
      }),
      'accepted',
    );
  });
});
