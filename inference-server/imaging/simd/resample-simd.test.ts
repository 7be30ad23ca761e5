import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { samples } from '../../../test/support/pixels.ts';
import { kernelFor } from '../resample-kernel.ts';
import * as scalar from '../resample-scalar.ts';
import type { Raster } from '../raster.ts';
import { generated } from './generate.ts';
import * as simd from './resample-simd.ts';

const side = fc.integer({ min: 1, max: 70 });
const pictures = fc.record({
  width: side,
  height: side,
  channels: fc.constantFrom(1, 3),
  to: side,
  seed: fc.nat(9),
});

function picture(width: number, height: number, channels: number, seed = 0): Raster {
  return { data: samples(width * height * channels + seed).subarray(seed), width, height, channels };
}

describe('the vector passes of the resampler', () => {
  it('give the bytes of the scalar passes, for any sizes', () => {
    fc.assert(
      fc.property(pictures, ({ width, height, channels, to, seed }) => {
        const source = picture(width, height, channels, seed);
        const rows = kernelFor(width, to);
        assert.deepEqual(simd.resampleRows(source, rows), scalar.resampleRows(source, rows));
        const columns = kernelFor(height, to);
        assert.deepEqual(simd.resampleColumns(source, columns), scalar.resampleColumns(source, columns));
      }),
      { numRuns: 300 },
    );
  });

  it('give them for black and white too, where sums run beyond a byte, and over several bands of rows', () => {
    const large = picture(1600, 900, 3);
    const hard = { ...large, data: large.data.map((value) => (value & 1) * 255) };
    for (const source of [large, hard])
      for (const to of [200, 3000]) {
        const rows = kernelFor(source.width, to);
        assert.deepEqual(simd.resampleRows(source, rows).data, scalar.resampleRows(source, rows).data);
        const columns = kernelFor(source.height, to);
        assert.deepEqual(
          simd.resampleColumns(source, columns).data,
          scalar.resampleColumns(source, columns).data,
        );
      }
  });

  it('leave to the scalar passes what would take much memory, and other channels', () => {
    assert.equal(simd.canResampleRows(picture(10, 10, 3), kernelFor(10, 20)), true);
    assert.equal(simd.canResampleRows(picture(10, 10, 4), kernelFor(10, 20)), false);
    const wide: Raster = { data: new Uint8Array(0), width: 3_000_000, height: 1, channels: 3 };
    assert.equal(simd.canResampleRows(wide, kernelFor(10, 20)), false);
    assert.equal(simd.canResampleColumns(wide, kernelFor(10, 20)), false);
  });

  it('are those of resample.wat: node inference-server/imaging/simd/generate.ts makes them anew', async () => {
    const stored = await readFile(new URL('resample.generated.ts', import.meta.url), 'utf8');
    assert.equal(stored, await generated());
  });
});
