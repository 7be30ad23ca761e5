import { RequestError } from '../../foundation/errors.ts';
import { avifHeader } from './headers/avif.ts';
import type { Header } from './headers/header.ts';
import { jpegHeader, scanCountOfJpeg } from './headers/jpeg.ts';
import { hidesMoreThan, pngHeader } from './headers/png.ts';
import { webpHeader } from './headers/webp.ts';
import { frameCountOfGif, sniff } from './sniff.ts';

/** What is decoded. Everything else is refused by its content, whatever it is called. */
export const inputFormats = ['jpeg', 'png', 'webp', 'avif'] as const;
export type InputFormat = (typeof inputFormats)[number];

export interface Probe extends Header {
  format: InputFormat;
}

const ACCEPTED = 'Send a JPEG, PNG, WebP or AVIF picture.';
/** An AVIF also codes its alpha, its tiles' borders and a thumbnail, each as a picture of its own. */
const CODED_SHARE = 3;
/** As of JPEG: a resampler's weights take memory by the side, however low the picture is. */
const LONGEST_SIDE = 65_535;

/**
 * What the first bytes of a picture say, read without decoding anything.
 * @throws RequestError `image_empty`, `image_unsupported`, `image_damaged`, `image_animated`, `image_too_large`.
 */
export function probeImage(bytes: Uint8Array, maxPixels: number): Probe {
  if (bytes.length === 0) throw new RequestError(422, 'image_empty', `The picture has no bytes. ${ACCEPTED}`);
  const found = sniff(bytes);
  if (found === 'a GIF picture' && frameCountOfGif(bytes, 2) > 1) throw animated();
  const format = inputFormats.find((candidate) => candidate === found);
  if (format === undefined)
    throw new RequestError(
      415,
      'image_unsupported',
      `The file is ${found}, which this service does not read. ${ACCEPTED}`,
      { details: { found } },
    );
  const header = READERS[format](asBuffer(bytes));
  if (header === undefined || header.width === 0 || header.height === 0) throw damaged();
  if (header.animated) throw animated();
  const { width, height, pixels = 0 } = header;
  const longest = Math.max(width, height);
  if (longest > LONGEST_SIDE || width * height > maxPixels || pixels > CODED_SHARE * maxPixels)
    throw tooLarge(width, height, maxPixels);
  return { format, width, height, animated: false };
}

const MOST_SCANS = 100;
/** All scans together: a decoder goes over the whole picture for each. About ten seconds of one core. */
const MOST_SCANNED_PIXELS = 1_000_000_000;
const MOST_HIDDEN_BYTES = 4 * 1024 * 1024;

/**
 * Looks through a whole file for what would cost a decoder far more than its size in pixels lets expect. Takes about a
 * millisecond a megabyte, so it belongs into the process that decodes.
 * @throws RequestError `image_too_costly`
 */
export function refuseCostly(bytes: Uint8Array, { format, width, height }: Probe): void {
  if (format === 'jpeg') {
    const most = Math.min(MOST_SCANS, Math.max(12, Math.floor(MOST_SCANNED_PIXELS / (width * height))));
    if (scanCountOfJpeg(bytes, most + 1) > most)
      throw tooCostly(`it is a progressive JPEG of more than ${most} scans`);
  }
  if (format === 'png' && hidesMoreThan(asBuffer(bytes), MOST_HIDDEN_BYTES))
    throw tooCostly(`its colour profile and texts unpack to more than ${MOST_HIDDEN_BYTES} bytes`);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function tooCostly(why: string): RequestError {
  return new RequestError(
    422,
    'image_too_costly',
    `The picture is refused because ${why}. Save it again as a plain JPEG or PNG and send that.`,
  );
}

function animated(): RequestError {
  return new RequestError(
    422,
    'image_animated',
    `The picture is animated, and this service works on single pictures. Send one frame of it as JPEG, PNG, WebP or AVIF.`,
  );
}

function tooLarge(width: number, height: number, maxPixels: number): RequestError {
  return new RequestError(
    422,
    'image_too_large',
    `The picture has ${width} × ${height} pixels; at most ${maxPixels} in all and ${LONGEST_SIDE} on a side are accepted. Make it smaller and send it again.`,
    { details: { width, height, maxPixels } },
  );
}

export function damaged(cause?: unknown): RequestError {
  return new RequestError(
    422,
    'image_damaged',
    'The picture is damaged or cut off, and cannot be read to its end. Send the whole file again.',
    { cause },
  );
}

const READERS: Record<InputFormat, (bytes: Buffer) => (Header & { pixels?: number }) | undefined> = {
  jpeg: jpegHeader,
  png: pngHeader,
  webp: webpHeader,
  avif: avifHeader,
};
