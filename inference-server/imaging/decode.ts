import sharp from 'sharp';
import { messageOf, RequestError } from '../../foundation/errors.ts';
import { damaged, probeImage, refuseCostly } from './probe.ts';
import type { Raster } from './resample.ts';

const DECODE_SECONDS = 10;

/**
 * libvips reads many formats; a stranger's bytes may only reach the four loaders that are needed. It keeps no results
 * and works on one thread a picture: memory stays flat, and the cores are the model's.
 */
export function allowOnlyNeededLoaders(): void {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({
    operation: ['Jpeg', 'Png', 'Webp', 'Heif'].map((format) => `VipsForeignLoad${format}Buffer`),
  });
  sharp.cache(false);
  sharp.concurrency(1);
}

/**
 * Decodes to 8-bit RGB, or RGBA when the picture has alpha, with its orientation applied. Grey, palette, CMYK and
 * 16-bit pictures become the same. What would cost too much is refused before any of it is decoded.
 * @param colours `srgb` converts from the embedded profile; `as-stored` ignores it, as Pillow does.
 * @throws RequestError what `probeImage` and `refuseCostly` throw, `image_decode_timeout`.
 */
export async function decode(
  bytes: Uint8Array,
  colours: 'srgb' | 'as-stored',
  maxPixels: number,
): Promise<Raster> {
  refuseCostly(bytes, probeImage(bytes, maxPixels));
  try {
    const { data, info } = await sharp(bytes, {
      failOn: 'error',
      limitInputPixels: maxPixels,
      autoOrient: true,
      ignoreIcc: colours === 'as-stored',
    })
      .timeout({ seconds: DECODE_SECONDS })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels };
  } catch (error) {
    if (messageOf(error).startsWith('timeout:'))
      throw new RequestError(
        422,
        'image_decode_timeout',
        `Reading the picture took longer than ${DECODE_SECONDS} s. Save it as a plain JPEG or PNG and send it again.`,
        { cause: error },
      );
    throw damaged(error);
  }
}
