import type { Raster } from './resample.ts';

export type Rgba = [red: number, green: number, blue: number, alpha: number];

/** How colour and alpha of a cut-out go together. */
export type AlphaStyle =
  /** Colours as in the picture; its own alpha times the mask. */
  | 'straight'
  /** Colours and alpha both times the mask: what rembg gives. */
  | 'premultiplied'
  /** Colours as in the picture, the mask as alpha, the picture's own alpha dropped: rembg's `putalpha`. */
  | 'replaced';

/** a * b / 255, rounded, for bytes. */
function multiplyBytes(a: number, b: number): number {
  const product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/** An RGBA cut-out of an RGB or RGBA picture by a mask of the same size. */
export function cutOut(picture: Raster, mask: Uint8Array, style: AlphaStyle): Raster {
  const { data, width, height, channels } = picture;
  // A pixel at a time rather than a sample: every platform Node supports here stores red first, as little-endian.
  const pixels = new Uint32Array(width * height);
  const scaleColour = style === 'premultiplied';
  const ownAlpha = channels === 4 && style !== 'replaced';
  for (let pixel = 0, from = 0; pixel < pixels.length; pixel++, from += channels) {
    const coverage = mask[pixel] as number;
    // Most of a picture is wholly outside, and there all that is multiplied is zero; memory begins as zero.
    if (coverage === 0 && scaleColour) continue;
    const alpha = ownAlpha ? multiplyBytes(data[from + 3] as number, coverage) : coverage;
    let red = data[from] as number;
    let green = data[from + 1] as number;
    let blue = data[from + 2] as number;
    if (scaleColour && coverage !== 255) {
      red = multiplyBytes(red, coverage);
      green = multiplyBytes(green, coverage);
      blue = multiplyBytes(blue, coverage);
    }
    pixels[pixel] = red | (green << 8) | (blue << 16) | (alpha << 24);
  }
  return { data: new Uint8Array(pixels.buffer), width, height, channels: 4 };
}

const COEFFICIENT_BITS = 7;
const ROUND = 0x80 << COEFFICIENT_BITS;

function over(source: number, backdrop: number, coefficient: number): number {
  const sum = source * coefficient + backdrop * ((255 << COEFFICIENT_BITS) - coefficient) + ROUND;
  return ((sum >> 8) + sum) >> (8 + COEFFICIENT_BITS);
}

/** Puts a colour behind an RGBA raster, in place; the integer arithmetic of Pillow's `alpha_composite`. */
export function putBehind(raster: Raster, [red, green, blue, alpha]: Rgba): void {
  const { data } = raster;
  for (let at = 0; at < data.length; at += 4) {
    const own = data[at + 3] as number;
    if (own === 0) {
      data[at] = red;
      data[at + 1] = green;
      data[at + 2] = blue;
      data[at + 3] = alpha;
      continue;
    }
    const combined = own * 255 + alpha * (255 - own);
    const coefficient = Math.trunc((own * 255 * 255 * (1 << COEFFICIENT_BITS)) / combined);
    data[at] = over(data[at] as number, red, coefficient);
    data[at + 1] = over(data[at + 1] as number, green, coefficient);
    data[at + 2] = over(data[at + 2] as number, blue, coefficient);
    const rounded = combined + 0x80;
    data[at + 3] = ((rounded >> 8) + rounded) >> 8;
  }
}
