import type { Raster } from '../../imaging/resample.ts';
import { refusal } from '../../messages.ts';
import { foregroundColours } from './foreground.ts';
import { mattingSystem } from './laplacian.ts';
import { solve } from './solve.ts';
import { unknownRows } from './sparse-rows.ts';
import { KNOWN, type TrimapOptions, trimapOf } from './trimap.ts';

/** About 60 bytes a pixel are needed for its colours, and 500 more where its alpha is unknown. */
const MAX_PIXELS = 16_000_000;
const MAX_UNKNOWN = 2_000_000;

/**
 * A cut-out with alpha from closed-form matting and the subject's own colours, as rembg's `alpha_matting` gives.
 * Undefined when the mask leaves nothing certain, or the equations have no solution: then there is nothing to matte.
 * @throws RequestError `matting_too_large`.
 */
export function mattedCutout(picture: Raster, mask: Uint8Array, options: TrimapOptions): Raster | undefined {
  const { width, height } = picture;
  if (width * height > MAX_PIXELS) throw refusal('matting_too_large');
  const trimap = trimapOf(mask, width, height, options);
  if (!trimap.includes(KNOWN.foreground) || !trimap.includes(KNOWN.background)) return undefined;
  if (trimap.reduce((count, value) => count + Number(value === KNOWN.unknown), 0) > MAX_UNKNOWN)
    throw refusal('matting_too_large');
  const system = mattingSystem(picture, trimap);
  const solution = solve(unknownRows(system), system.right);
  if (solution === undefined) return undefined;
  const alpha = Float64Array.from(trimap, (value) => value / 255);
  for (let i = 0; i < solution.length; i++)
    alpha[system.pixels[i] as number] = Math.max(0, Math.min(1, solution[i] as number));
  return withForeground(picture, alpha);
}

/**
 * A cut-out by the mask with the subject's own colours, as rembg's `decontaminate` gives.
 * @throws RequestError `matting_too_large`.
 */
export function decontaminatedCutout(picture: Raster, mask: Uint8Array): Raster {
  return withForeground(
    picture,
    Float64Array.from(mask, (value) => value / 255),
  );
}

function withForeground(picture: Raster, alpha: Float64Array): Raster {
  const { width, height } = picture;
  if (width * height > MAX_PIXELS) throw refusal('matting_too_large');
  const colours = foregroundColours(picture, alpha);
  const data = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < alpha.length; pixel++) {
    for (let channel = 0; channel < 3; channel++)
      data[pixel * 4 + channel] = Math.trunc((colours[pixel * 3 + channel] as number) * 255);
    data[pixel * 4 + 3] = Math.trunc((alpha[pixel] as number) * 255);
  }
  return { data, width, height, channels: 4 };
}
