import { type AlphaStyle, cutOut, putBehind, type Rgba } from '../imaging/composite.ts';
import type { Raster } from '../imaging/resample.ts';
import { smoothMask } from './mask-smoothing.ts';
import { decontaminatedCutout, mattedCutout } from './matting/matting.ts';
import type { TrimapOptions } from './matting/trimap.ts';

export interface ComposeOptions {
  output: 'cutout' | 'mask';
  alpha: AlphaStyle;
  smoothMask: boolean;
  background?: Rgba | undefined;
  /** Alpha by closed-form matting between the mask's certain parts. */
  matting?: TrimapOptions | undefined;
  /** Colours of soft edges without the background that shines through them. */
  decontaminate?: boolean | undefined;
}

/**
 * The answer to a request from its picture and masks: a cut-out or mask each, from top to bottom when there are
 * several, over the background asked for.
 * @throws RequestError `matting_too_large`.
 */
export function compose(picture: Raster, rawMasks: readonly Uint8Array[], options: ComposeOptions): Raster {
  const { width, height } = picture;
  const masks = rawMasks.map((mask) => (options.smoothMask ? smoothMask(mask, width, height) : mask));
  if (options.output === 'mask') {
    const rasters = masks.map((data) => ({ data, width, height, channels: 1 }));
    // rembg joins several in RGBA, whatever they are.
    return joined(rasters.length === 1 ? rasters : rasters.map(inRgba));
  }
  // rembg's putalpha writes each mask into the same picture, so that every part shows the last one.
  const used = keepsMask(options) ? masks.map(() => masks.at(-1) as Uint8Array) : masks;
  const result = joined(used.map((mask) => cutOutOne(picture, mask, options)));
  if (options.background !== undefined) putBehind(result, options.background);
  return result;
}

function keepsMask({ alpha, matting }: ComposeOptions): boolean {
  return alpha === 'replaced' && matting === undefined;
}

function cutOutOne(picture: Raster, mask: Uint8Array, options: ComposeOptions): Raster {
  if (options.matting !== undefined) {
    const matted = mattedCutout(picture, mask, options.matting);
    if (matted !== undefined) return matted;
    // rembg's way out too.
    return options.alpha === 'replaced'
      ? cutOut(picture, mask, 'replaced')
      : decontaminatedCutout(picture, mask);
  }
  if (options.decontaminate === true && options.alpha !== 'replaced')
    return decontaminatedCutout(picture, mask);
  return cutOut(picture, mask, options.alpha);
}

function inRgba({ data, width, height }: Raster): Raster {
  const output = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < data.length; pixel++) {
    output.fill(data[pixel] as number, pixel * 4, pixel * 4 + 3);
    output[pixel * 4 + 3] = 255;
  }
  return { data: output, width, height, channels: 4 };
}

/** From top to bottom; all of one width and number of channels. */
function joined(rasters: readonly Raster[]): Raster {
  const [first] = rasters;
  if (first === undefined) throw new RangeError('there is no mask to compose');
  if (rasters.length === 1) return first;
  const data = Buffer.concat(rasters.map((raster) => raster.data));
  return { ...first, data, height: rasters.reduce((sum, { height }) => sum + height, 0) };
}
