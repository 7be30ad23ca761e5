import sharp from 'sharp';
import { messageOf, RequestError } from '../../foundation/errors.ts';
import { damaged } from './probe.ts';
import type { Raster } from './resample.ts';

const DECODE_SECONDS = 10;

/** libvips reads many formats; a stranger's bytes may only reach the three loaders that are needed. */
export function allowOnlyNeededLoaders(): void {
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({
    operation: ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'],
  });
  sharp.cache(false);
}

/**
 * Decodes to 8-bit RGB, or RGBA when the picture has alpha, with its orientation applied.
 * @param colours `srgb` converts from the embedded profile; `as-stored` ignores it, as Pillow does.
 * @throws RequestError `image_damaged`, `image_decode_timeout`.
 */
export async function decode(
  bytes: Uint8Array,
  colours: 'srgb' | 'as-stored',
  maxPixels: number,
): Promise<Raster> {
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
