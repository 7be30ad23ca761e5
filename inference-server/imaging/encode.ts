import sharp from 'sharp';
import type { Raster } from './resample.ts';

export type OutputFormat = 'png' | 'webp';

/** Level 3 costs half the time of the usual 6 and some percent of size. */
const PNG = { compressionLevel: 3, adaptiveFiltering: false };
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
