import type { Raster } from '../resample.ts';

export const markPositions = [
  'top-left',
  'top-right',
  'centre',
  'bottom-left',
  'bottom-right',
  'tiled',
] as const;
export type MarkPosition = (typeof markPositions)[number];

export interface Placement {
  position: MarkPosition;
  /** 0 to 1, times the mark's own alpha. */
  opacity: number;
}

/** Of the shorter side of the picture. */
const MARGIN = 0.03;

/** Lays an RGBA mark over a picture of 3 or 4 channels (colours not premultiplied), in place; what hangs over is cut off. */
export function placeMark(picture: Raster, mark: Raster, { position, opacity }: Placement): void {
  for (const [left, top] of placesOf(picture, mark, position)) layOver(picture, mark, { left, top, opacity });
}

function placesOf(picture: Raster, mark: Raster, position: MarkPosition): [number, number][] {
  const margin = Math.round(MARGIN * Math.min(picture.width, picture.height));
  const right = picture.width - mark.width - margin;
  const bottom = picture.height - mark.height - margin;
  switch (position) {
    case 'top-left':
      return [[margin, margin]];
    case 'top-right':
      return [[right, margin]];
    case 'bottom-left':
      return [[margin, bottom]];
    case 'bottom-right':
      return [[right, bottom]];
    case 'centre':
      return [[Math.round((picture.width - mark.width) / 2), Math.round((picture.height - mark.height) / 2)]];
    case 'tiled':
      return tiles(picture, mark);
  }
}

/** Rows of marks with as much room between them, every other row shifted by half. */
function tiles(picture: Raster, mark: Raster): [number, number][] {
  const places: [number, number][] = [];
  const stepX = Math.ceil(1.5 * mark.width);
  const stepY = Math.max(3 * mark.height, Math.ceil(picture.height / 12));
  for (let row = 0; row * stepY < picture.height; row++)
    for (let left = row % 2 === 0 ? 0 : -Math.round(stepX / 2); left < picture.width; left += stepX)
      places.push([left, row * stepY]);
  return places;
}

function layOver(
  picture: Raster,
  mark: Raster,
  { left, top, opacity }: { left: number; top: number; opacity: number },
): void {
  const fromX = Math.max(0, -left);
  const toX = Math.min(mark.width, picture.width - left);
  const toY = Math.min(mark.height, picture.height - top);
  for (let y = Math.max(0, -top); y < toY; y++)
    for (let x = fromX; x < toX; x++) {
      const from = (y * mark.width + x) * 4;
      const alpha = ((mark.data[from + 3] as number) * opacity) / 255;
      if (alpha > 0)
        blend(picture, ((top + y) * picture.width + left + x) * picture.channels, { mark, from, alpha });
    }
}

/** Source over, with straight alpha. */
function blend(
  { data, channels }: Raster,
  at: number,
  { mark, from, alpha }: { mark: Raster; from: number; alpha: number },
): void {
  const own = channels === 4 ? (data[at + 3] as number) / 255 : 1;
  const kept = own * (1 - alpha);
  const whole = alpha + kept;
  for (let channel = 0; channel < 3; channel++) {
    const mixed =
      ((mark.data[from + channel] as number) * alpha + (data[at + channel] as number) * kept) / whole;
    data[at + channel] = Math.round(mixed);
  }
  if (channels === 4) data[at + 3] = Math.round(255 * whole);
}
