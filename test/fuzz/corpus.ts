import sharp from 'sharp';
import { bombs } from '../support/bombs.ts';
import { samples } from '../support/pixels.ts';
import type { FORMATS } from './structure.ts';

export interface Sample {
  name: string;
  format: keyof typeof FORMATS | undefined;
  bytes: Buffer;
}

const WIDTH = 40;
const HEIGHT = 28;

/** Small pictures of every format and kind, to begin from. */
export async function corpus(): Promise<Sample[]> {
  const raw = { width: WIDTH, height: HEIGHT };
  const rgb = sharp(samples(WIDTH * HEIGHT * 3), { raw: { ...raw, channels: 3 } });
  const rgba = sharp(samples(WIDTH * HEIGHT * 4), { raw: { ...raw, channels: 4 } });
  const noted = rgb
    .clone()
    .withExif({ IFD0: { Make: 'Fuzz' } })
    .withIccProfile('p3');
  const made = {
    png: [
      rgb.clone().png(),
      rgba.clone().png({ progressive: true }),
      rgb.clone().png({ palette: true, colours: 16 }),
      rgb.clone().toColourspace('rgb16').png(),
      rgb.clone().greyscale().toColourspace('b-w').png(),
      noted.clone().png(),
    ],
    jpeg: [
      rgb.clone().jpeg(),
      rgb.clone().jpeg({ progressive: true, chromaSubsampling: '4:4:4' }),
      rgb.clone().greyscale().jpeg(),
      rgb.clone().toColourspace('cmyk').jpeg(),
      noted.clone().withMetadata({ orientation: 6 }).jpeg(),
    ],
    webp: [
      rgb.clone().webp(),
      rgba.clone().webp(),
      rgba.clone().webp({ lossless: true }),
      noted.clone().webp(),
    ],
    avif: [
      rgb.clone().avif({ effort: 0 }),
      rgba.clone().avif({ effort: 0 }),
      noted.clone().avif({ effort: 0 }),
    ],
  };
  const found: Sample[] = [];
  for (const [format, pictures] of Object.entries(made))
    for (const [index, picture] of pictures.entries())
      found.push({
        name: `${format} ${index}`,
        format: format as keyof typeof made,
        bytes: await picture.toBuffer(),
      });
  for (const { name, bytes } of await bombs()) found.push({ name, format: undefined, bytes });
  return found;
}
