import { readFileSync } from 'node:fs';
import opentype, { type Font, type PathCommand } from 'opentype.js';
import { RequestError } from '../../../foundation/errors.ts';
import type { Raster } from '../resample.ts';
import { coverageOf } from './outline.ts';

const MOST_CHARACTERS = 64;
const CURVE_PIECES = 8;
const SIZE = 100;

export type Rgb = readonly [red: number, green: number, blue: number];

let loaded: Font | undefined;

/** Noto Sans SC (SIL Open Font License 1.1, beside this file): Latin, Greek, Cyrillic and simplified Chinese. */
function font(): Font {
  if (loaded === undefined) {
    const { buffer, byteOffset, byteLength } = readFileSync(new URL('noto-sans-sc.woff', import.meta.url));
    loaded = opentype.parse(buffer.slice(byteOffset, byteOffset + byteLength));
  }
  return loaded;
}

/**
 * One line of text, `width` pixels wide, as RGBA: the same on every machine, whatever fonts it has.
 * @throws RequestError `mark_text_invalid`
 */
export function drawText(text: string, width: number, [red, green, blue]: Rgb): Raster {
  const { segments, height } = outlinesOf(text, width);
  const coverage = coverageOf(segments, width, height);
  const data = new Uint8Array(width * height * 4);
  coverage.forEach((alpha, pixel) => {
    data.set([red, green, blue, alpha], pixel * 4);
  });
  return { data, width, height, channels: 4 };
}

/** @throws RequestError `mark_text_invalid` */
export function assertDrawable(text: string): void {
  const characters = Array.from(text);
  if (text.trim() === '' || characters.length > MOST_CHARACTERS)
    throw invalid(`it must have 1 to ${MOST_CHARACTERS} characters and something to see`);
  const unknown = characters.find((character) => font().charToGlyphIndex(character) === 0);
  if (unknown !== undefined)
    throw invalid(
      `the font has no ${JSON.stringify(unknown)}; it has Latin, Greek, Cyrillic and simplified Chinese`,
    );
}

function invalid(why: string): RequestError {
  return new RequestError(
    422,
    'mark_text_invalid',
    `The text of the visible mark cannot be drawn: ${why}. Use a PNG logo, or another text.`,
  );
}

function outlinesOf(text: string, width: number): { segments: Float64Array; height: number } {
  assertDrawable(text);
  const path = font().getPath(text, 0, 0, SIZE);
  const { x1, y1, x2, y2 } = path.getBoundingBox();
  const scale = width / (x2 - x1);
  const points: number[] = [];
  let [fromX, fromY, startX, startY] = [0, 0, 0, 0];
  const line = (x: number, y: number): void => {
    points.push((fromX - x1) * scale, (fromY - y1) * scale, (x - x1) * scale, (y - y1) * scale);
    [fromX, fromY] = [x, y];
  };
  for (const command of path.commands)
    if (command.type === 'M') {
      line(startX, startY);
      [fromX, fromY, startX, startY] = [command.x, command.y, command.x, command.y];
    } else if (command.type === 'L') line(command.x, command.y);
    else if (command.type === 'Z') line(startX, startY);
    else for (const [x, y] of curve(command, fromX, fromY)) line(x, y);
  return { segments: Float64Array.from(points), height: Math.max(1, Math.ceil((y2 - y1) * scale)) };
}

type Curve = Extract<PathCommand, { type: 'Q' | 'C' }>;

/** Points along a Bézier curve, its beginning left out. */
function curve(command: Curve, fromX: number, fromY: number): [number, number][] {
  const [x2, y2] = command.type === 'C' ? [command.x2, command.y2] : [command.x1, command.y1];
  // A quadratic curve is the cubic one whose handles lie two thirds of the way to its own.
  const share = command.type === 'C' ? 1 : 2 / 3;
  const handles = [
    [fromX + (command.x1 - fromX) * share, fromY + (command.y1 - fromY) * share],
    [command.x + (x2 - command.x) * share, command.y + (y2 - command.y) * share],
  ] as const;
  return Array.from({ length: CURVE_PIECES }, (_, i) => {
    const t = (i + 1) / CURVE_PIECES;
    const mix = (a: number, b: number, c: number, d: number): number =>
      (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t ** 2 * c + t ** 3 * d;
    return [
      mix(fromX, handles[0][0], handles[1][0], command.x),
      mix(fromY, handles[0][1], handles[1][1], command.y),
    ];
  });
}
