import { RequestError } from '../../../foundation/errors.ts';
import { decode } from '../decode.ts';
import { type Raster, resampleLanczos } from '../resample.ts';
import { type Placement, placeMark } from './place.ts';
import { assertDrawable, drawText, type Rgb } from './text.ts';

/** What is laid over a picture for everyone to see. */
export interface VisibleMark extends Placement {
  source: { kind: 'text'; text: string; colour: Rgb } | { kind: 'logo'; png: Uint8Array };
  /** Width of the mark as a share of the picture's, 0.02 to 1. */
  share: number;
}

const MOST_LOGO_PIXELS = 4_000_000;

/**
 * Reads what a mark needs once, so that it can be laid over many pictures.
 * @returns a function that marks a picture of 3 or 4 channels (straight alpha), in place.
 * @throws RequestError `mark_text_invalid`, `mark_logo_invalid`, and what `decode` throws.
 */
export async function prepareMark(mark: VisibleMark): Promise<(picture: Raster) => void> {
  const draw = await drawer(mark.source);
  return (picture) => {
    const width = Math.max(8, Math.round(picture.width * mark.share));
    placeMark(picture, draw(width), mark);
  };
}

async function drawer(source: VisibleMark['source']): Promise<(width: number) => Raster> {
  if (source.kind === 'text') {
    assertDrawable(source.text);
    return (width) => drawText(source.text, width, source.colour);
  }
  const logo = await decode(source.png, 'srgb', MOST_LOGO_PIXELS);
  if (logo.channels !== 4)
    throw new RequestError(
      422,
      'mark_logo_invalid',
      'The logo of the visible mark has no transparency: it would cover the picture with a box. Save it as a PNG with an alpha channel.',
    );
  const multiplied = premultiplied(logo);
  return (width) => {
    const height = Math.max(1, Math.round((logo.height * width) / logo.width));
    return straightened(resampleLanczos(multiplied, width, height));
  };
}

/** Colours times alpha: what is transparent must not bleed into what is not when the logo is scaled. */
function premultiplied(logo: Raster): Raster {
  const data = logo.data.slice();
  for (let at = 0; at < data.length; at += 4)
    for (let channel = 0; channel < 3; channel++)
      data[at + channel] = Math.round(((data[at + channel] as number) * (data[at + 3] as number)) / 255);
  return { ...logo, data };
}

function straightened(logo: Raster): Raster {
  const { data } = logo;
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3] as number;
    for (let channel = 0; channel < 3 && alpha > 0; channel++)
      data[at + channel] = Math.min(255, Math.round(((data[at + channel] as number) * 255) / alpha));
  }
  return logo;
}
