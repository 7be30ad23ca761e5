import sharp from 'sharp';
import type { Raster } from './resample.ts';

export type OutputFormat = 'png' | 'webp';

/**
 * For a photograph of one megapixel level 1 takes 12 ms and level 6 takes 25 ms, for a fifth fewer bytes; filters would
 * halve the bytes of soft pictures, for 40 ms. What waits for the answer waits for the time.
 */
const PNG = { compressionLevel: 1, adaptiveFiltering: false };
const WEBP = { quality: 90, alphaQuality: 100, effort: 2 };

export async function encode(raster: Raster, format: OutputFormat): Promise<Buffer> {
  const { data, width, height, channels } = raster;
  const image = sharp(data, {
    raw: { width, height, channels: channels as 1 | 3 | 4 },
    limitInputPixels: false,
  });
  if (format === 'webp') return image.webp(WEBP).toBuffer();
  const oneChannel = channels === 1 ? image.toColourspace('b-w') : image;
  return oneChannel.png(PNG).toBuffer();
}
