import sharp, { type Sharp } from 'sharp';
import { RequestError } from '../../foundation/errors.ts';
import { putBehind, type Rgba } from './composite.ts';
import type { OutputFormat } from './output-formats.ts';
import type { Raster } from './resample.ts';

export interface EncodeOptions {
  /** 1 to 100; of `png`, which loses nothing, it is ignored. */
  quality?: number | undefined;
  /** What a JPEG shows where the picture is transparent; white by default. */
  background?: Rgba | undefined;
}

interface Format {
  /** Undefined for what has no quality. */
  quality: number | undefined;
  /** The longest side that the format, or its encoder here, can hold. */
  longestSide: number;
  apply: (image: Sharp, quality: number) => Sharp;
}

/**
 * Effort is pinned: an encoder's own default may take a hundred times as long (AVIF), or change with a release. Of PNG,
 * level 1 takes 12 ms for a photograph of one megapixel and level 6 takes 25 ms, for a fifth fewer bytes; filters would
 * halve the bytes of soft pictures, for 40 ms. What waits for the answer waits for the time.
 */
const FORMATS: Record<OutputFormat, Format> = {
  png: {
    quality: undefined,
    longestSide: 2 ** 31 - 1,
    apply: (image) => image.png({ compressionLevel: 1, adaptiveFiltering: false, palette: false }),
  },
  jpeg: {
    quality: 90,
    longestSide: 65_500,
    apply: (image, quality) =>
      image.jpeg({ quality, progressive: false, mozjpeg: false, chromaSubsampling: '4:2:0' }),
  },
  webp: {
    quality: 90,
    longestSide: 16_383,
    apply: (image, quality) => image.webp({ quality, alphaQuality: 100, effort: 2 }),
  },
  avif: {
    quality: 60,
    longestSide: 16_384,
    apply: (image, quality) => image.avif({ quality, effort: 1, chromaSubsampling: '4:2:0', bitdepth: 8 }),
  },
};

/**
 * Refuses a size that a format cannot hold: to be asked before the work is done.
 * @throws RequestError `result_too_large`
 */
export function assertEncodable(
  { width, height }: { width: number; height: number },
  format: OutputFormat,
): void {
  const { longestSide } = FORMATS[format];
  if (Math.max(width, height) <= longestSide) return;
  throw new RequestError(
    422,
    'result_too_large',
    `The result has ${width} × ${height} pixels, and a side of ${format.toUpperCase()} has at most ${longestSide}. Ask for png, or send a smaller picture.`,
    { details: { width, height, longestSide } },
  );
}

/**
 * Encodes RGB, RGBA or grey samples. Nothing but pixels is written: no profile, no metadata.
 * @throws RequestError `result_too_large`
 */
export async function encode(
  raster: Raster,
  format: OutputFormat,
  options: EncodeOptions = {},
): Promise<Buffer> {
  assertEncodable(raster, format);
  const { data, width, height, channels } =
    format === 'jpeg' ? flattened(raster, options.background) : raster;
  const image = sharp(data, {
    raw: { width, height, channels: channels as 1 | 3 | 4 },
    limitInputPixels: false,
  });
  const { apply, quality = 100 } = FORMATS[format];
  return apply(channels === 1 ? image.toColourspace('b-w') : image, options.quality ?? quality).toBuffer();
}

/** RGB of what an RGBA raster shows before a background. */
function flattened(raster: Raster, [red, green, blue]: Rgba = [255, 255, 255, 255]): Raster {
  if (raster.channels !== 4) return raster;
  const { width, height } = raster;
  const whole: Raster = { ...raster, data: raster.data.slice() };
  putBehind(whole, [red, green, blue, 255]);
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = whole.data[from] as number;
    data[to + 1] = whole.data[from + 1] as number;
    data[to + 2] = whole.data[from + 2] as number;
  }
  return { data, width, height, channels: 3 };
}
