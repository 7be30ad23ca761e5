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
  const output = new Uint8Array(width * height * 4);
  const scaleColour = style === 'premultiplied';
  const ownAlpha = channels === 4 && style !== 'replaced';
  for (let pixel = 0, from = 0, to = 0; pixel < mask.length; pixel++, from += channels, to += 4) {
    const coverage = mask[pixel] as number;
    const red = data[from] as number;
    const green = data[from + 1] as number;
    const blue = data[from + 2] as number;
    output[to] = scaleColour ? multiplyBytes(red, coverage) : red;
    output[to + 1] = scaleColour ? multiplyBytes(green, coverage) : green;
    output[to + 2] = scaleColour ? multiplyBytes(blue, coverage) : blue;
    output[to + 3] = ownAlpha ? multiplyBytes(data[from + 3] as number, coverage) : coverage;
  }
  return { data: output, width, height, channels: 4 };
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
