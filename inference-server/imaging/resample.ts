import type { Raster } from './raster.ts';
import { kernelFor } from './resample-kernel.ts';
import * as scalar from './resample-scalar.ts';
import * as simd from './simd/resample-simd.ts';

export type { Raster } from './raster.ts';

/**
 * Lanczos with three lobes, sample for sample what Pillow's `Image.resize(size, LANCZOS)` gives for modes L and RGB:
 * horizontal pass first, each pass rounded to 8 bits, a pass whose size does not change left out, and an image that
 * has the size already given back as it is.
 */
export function resampleLanczos(source: Raster, width: number, height: number): Raster {
  const wide = source.width === width ? source : resampleRows(source, width);
  return wide.height === height ? wide : resampleColumns(wide, height);
}

function resampleRows(source: Raster, width: number): Raster {
  const kernel = kernelFor(source.width, width);
  return (simd.canResampleRows(source, kernel) ? simd : scalar).resampleRows(source, kernel);
}

function resampleColumns(source: Raster, height: number): Raster {
  const kernel = kernelFor(source.height, height);
  return (simd.canResampleColumns(source, kernel) ? simd : scalar).resampleColumns(source, kernel);
}
