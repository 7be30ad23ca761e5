import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { samples, sha256 } from '../../test/support/pixels.ts';
import { resampleLanczos } from './resample.ts';

/**
 * SHA-256 of what Pillow 12.3.0 makes of `samples(width * height * channels)`:
 * `Image.fromarray(a).resize((toWidth, toHeight), Image.Resampling.LANCZOS).tobytes()`.
 */
const PILLOW: [number, number, number, number, number, string][] = [
  [97, 61, 3, 320, 320, 'dd96bb552cc9ff44f91f532ae86c38bda0bca606e3a9e7047f54c9be2d20fd6b'],
  [97, 61, 3, 40, 200, 'f6b6d5f9a62f77c61b0148765023852c8b711924ccdfc22b1e487cb677a18f21'],
  [97, 61, 3, 97, 20, '45f7e8289089ec23cef4d3ed7cd37974ae72810d6d5d97c41dcb73dafd6c9d3d'],
  [97, 61, 1, 300, 61, '1b38289ae6b4fca0c3ee9fdc6f12e35b1eb499b9efa69e6de66e3305a439abae'],
  [33, 47, 1, 480, 360, 'f7f7414ff44556cbf5bcdae4de964ac75cee91423706f14ba050dab144f2d1b6'],
  [5, 3, 3, 1, 1, 'f0abf7b99368a6526979f66f22d5a9328114ea73b14ce9bad5ad24846dd83d13'],
  [1, 1, 1, 7, 9, 'd45eab95064807b31a4238fb6358ff571c1609e8132926a5ef66afdda5c5d7f2'],
  [640, 427, 3, 102, 77, '790ec48def084c063dfd7e47548b4bf39f8240278725954e2e674a116c0b7c71'],
];

describe('the Lanczos resampler', () => {
  it('doubles a line of four samples as Pillow does', () => {
    const line = { data: Uint8Array.of(0, 64, 128, 192), width: 4, height: 1, channels: 1 };
    assert.deepEqual([...resampleLanczos(line, 8, 1).data], [0, 9, 43, 82, 110, 149, 183, 198]);
  });

  for (const [width, height, channels, toWidth, toHeight, expected] of PILLOW)
    it(`equals Pillow bit for bit from ${width}x${height}x${channels} to ${toWidth}x${toHeight}`, () => {
      const source = { data: samples(width * height * channels), width, height, channels };
      const result = resampleLanczos(source, toWidth, toHeight);
      assert.equal(result.data.length, toWidth * toHeight * channels);
      assert.equal(sha256(result.data), expected);
    });

  it('gives back an image that has the size already, untouched', () => {
    const source = { data: samples(12 * 9 * 3), width: 12, height: 9, channels: 3 };
    assert.deepEqual(resampleLanczos(source, 12, 9), source);
  });

  it('keeps a flat image flat, at any size', () => {
    const size = fc.integer({ min: 1, max: 70 });
    fc.assert(
      fc.property(size, size, size, size, fc.integer({ min: 0, max: 255 }), (width, height, w, h, value) => {
        const data = new Uint8Array(width * height).fill(value);
        const result = resampleLanczos({ data, width, height, channels: 1 }, w, h);
        assert.ok(result.data.every((sample) => sample === value));
      }),
    );
  });

  it('mirrors its result when its input is mirrored', () => {
    const lines = fc.uint8Array({ minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(lines, fc.integer({ min: 1, max: 90 }), (data, width) => {
        const resized = (line: Uint8Array): Uint8Array =>
          resampleLanczos({ data: line, width: line.length, height: 1, channels: 1 }, width, 1).data;
        const there = resized(data);
        const back = resized(Uint8Array.from(data).reverse()).reverse();
        // Fixed-point weights of mirrored windows may round apart by one step of a sample.
        assert.ok(there.every((sample, i) => Math.abs(sample - (back[i] ?? NaN)) <= 1));
      }),
    );
  });
});
