import { RequestError } from '../../foundation/errors.ts';
import type { Rgba } from './composite.ts';
import { assertEncodable, encode, type EncodeOptions } from './encode.ts';
import type { OutputFormat } from './output-formats.ts';
import type { Raster } from './resample.ts';
import type { Watermark } from './watermark/watermark.ts';

export interface Finish {
  format: OutputFormat;
  quality?: EncodeOptions['quality'];
  /** Behind what is transparent, in a format without transparency. */
  background?: Rgba | undefined;
  /** Of `prepareMark`. */
  mark?: ((picture: Raster) => void) | undefined;
  watermark?: { watermark: Watermark; owner: string } | undefined;
}

/**
 * The last steps of every picture that is given out, in the order in which they must stand: what everyone sees, then
 * what nobody sees and must not be drawn over, then the encoding. Changes `picture`.
 * @throws RequestError `result_too_large`, `watermark_impossible`
 */
export async function finish(
  picture: Raster,
  { format, quality, background, mark, watermark }: Finish,
): Promise<Buffer> {
  assertEncodable(picture, format);
  mark?.(picture);
  if (watermark !== undefined && !watermark.watermark.embed(picture, watermark.owner))
    throw unmarkable(picture);
  return encode(picture, format, { quality, background });
}

function unmarkable({ width, height }: Raster): RequestError {
  return new RequestError(
    422,
    'watermark_impossible',
    `The result of ${width} × ${height} pixels cannot carry the invisible watermark: both sides need at least 256 pixels, and enough of it must be opaque. Send a larger picture.`,
    { details: { width, height } },
  );
}
