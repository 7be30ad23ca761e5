import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { RequestError } from '../../../foundation/errors.ts';
import { samples, sha256 } from '../../../test/support/pixels.ts';
import type { Raster } from '../resample.ts';
import { prepareMark, type VisibleMark } from './mark.ts';
import { coverageOf } from './outline.ts';
import { markPositions, placeMark } from './place.ts';
import { drawText } from './text.ts';

const WHITE = [255, 255, 255] as const;
const text: VisibleMark = {
  source: { kind: 'text', text: '示例租户 Imageplane ©', colour: WHITE },
  share: 0.5,
  position: 'bottom-right',
  opacity: 0.5,
};

function black(width: number, height: number, channels = 3): Raster {
  return { data: new Uint8Array(width * height * channels), width, height, channels };
}

async function codeOf(mark: VisibleMark): Promise<string> {
  return prepareMark(mark).then(
    () => 'accepted',
    (error: unknown) => {
      assert.ok(error instanceof RequestError, String(error));
      return error.code;
    },
  );
}

describe('outlines', () => {
  it('cover each pixel by the area that they enclose', () => {
    const box = (x0: number, y0: number, x1: number, y1: number): number[] =>
      [
        [x0, y0, x1, y0],
        [x1, y0, x1, y1],
        [x1, y1, x0, y1],
        [x0, y1, x0, y0],
      ].flat();
    const coverage = coverageOf(Float64Array.from(box(0.5, 0.25, 2.25, 2)), 4, 3);
    assert.deepEqual([...coverage], [96, 191, 48, 0, 128, 255, 64, 0, 0, 0, 0, 0]);
  });

  it('add up to the area of a triangle', () => {
    const triangle = Float64Array.of(0, 0, 40, 0, 40, 0, 0, 30, 0, 30, 0, 0);
    const sum = coverageOf(triangle, 40, 30).reduce((total, value) => total + value / 255, 0);
    assert.ok(Math.abs(sum - 600) < 2, String(sum));
  });

  it('stay within their picture, wherever they run', () => {
    const place = fc.double({ min: -50, max: 80, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(place, place), { minLength: 3, maxLength: 9 }), (points) => {
        const segments = points.flatMap((from, i) => [...from, ...(points[(i + 1) % points.length] ?? from)]);
        const coverage = coverageOf(Float64Array.from(segments), 20, 15);
        assert.equal(coverage.length, 300);
      }),
    );
  });
});

describe('the visible mark', () => {
  it('draws Latin and Chinese text from the font that comes along, the same on every machine', () => {
    const drawn = drawText('示例租户 Imageplane ©', 200, WHITE);
    assert.equal(drawn.width, 200);
    assert.equal(sha256(drawn.data), '1703386dca79f6d77ecd3adc2813faf27eb98439b7060cc4aeb51a046db21235');
  });

  it('changes the picture only where it stands, by its opacity', async () => {
    const picture = black(200, 100);
    (await prepareMark(text))(picture);
    const lit = picture.data.map((value, i) => (i % 3 === 0 && value > 0 ? 1 : 0));
    const rows = [...lit.keys()].filter((i) => lit[i] === 1).map((i) => Math.floor(i / 600));
    assert.ok(rows.length > 100);
    assert.ok(Math.min(...rows) > 80 && Math.max(...rows) < 98);
    assert.equal(Math.max(...picture.data), 128);
  });

  it('shows on what is transparent, and leaves the colours of what it does not touch', () => {
    const picture = black(100, 100, 4);
    const mark: Raster = { data: new Uint8Array(400).fill(255), width: 10, height: 10, channels: 4 };
    placeMark(picture, mark, { position: 'top-left', opacity: 0.5 });
    const pixel = (x: number, y: number): number[] => [
      ...picture.data.subarray((y * 100 + x) * 4, (y * 100 + x) * 4 + 4),
    ];
    assert.deepEqual(pixel(5, 5), [255, 255, 255, 128]);
    assert.deepEqual(pixel(50, 50), [0, 0, 0, 0]);
  });

  it('may be larger than the picture, anywhere, and is cut off', () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(size, size, size, fc.constantFrom(...markPositions), (width, height, side, position) => {
        const picture = black(width, height);
        const mark: Raster = {
          data: new Uint8Array(side * side * 4).fill(255),
          width: side,
          height: side,
          channels: 4,
        };
        placeMark(picture, mark, { position, opacity: 1 });
        assert.equal(picture.data.length, width * height * 3);
      }),
    );
  });

  it('takes a logo with transparency, without the colour of what is transparent', async () => {
    // Red shows; the green around it is transparent and must not be seen.
    const data = Uint8Array.from({ length: 64 * 64 * 4 }, (_, i) => {
      const inside = Math.hypot(((i >> 2) % 64) - 32, (i >> 8) - 32) < 24;
      return (inside ? [255, 0, 0, 255] : [0, 255, 0, 0])[i % 4] as number;
    });
    const png = await sharp(data, { raw: { width: 64, height: 64, channels: 4 } })
      .png()
      .toBuffer();
    const picture = black(100, 100);
    (await prepareMark({ ...text, source: { kind: 'logo', png }, opacity: 1, position: 'centre' }))(picture);
    assert.deepEqual([...picture.data.subarray((50 * 100 + 50) * 3, (50 * 100 + 50) * 3 + 3)], [255, 0, 0]);
    assert.ok(picture.data.every((value, i) => i % 3 === 0 || value === 0));
  });

  it('is refused by name: nothing to draw, too long, a character that the font lacks, a logo without alpha', async () => {
    const withText = (value: string): VisibleMark => ({
      ...text,
      source: { kind: 'text', text: value, colour: WHITE },
    });
    for (const value of ['', '   ', 'x'.repeat(65), 'smile 😀', 'line\nbreak'])
      assert.equal(await codeOf(withText(value)), 'mark_text_invalid', JSON.stringify(value));
    const opaque = await sharp(samples(8 * 8 * 3), { raw: { width: 8, height: 8, channels: 3 } })
      .png()
      .toBuffer();
    assert.equal(await codeOf({ ...text, source: { kind: 'logo', png: opaque } }), 'mark_logo_invalid');
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>');
    assert.equal(await codeOf({ ...text, source: { kind: 'logo', png: svg } }), 'image_unsupported');
  });
});
