import { RequestError } from '../../foundation/errors.ts';
import { frameCountOfGif, sniff } from './sniff.ts';

export interface Probe {
  format: 'jpeg' | 'png' | 'webp';
  /** As stored, before the orientation is applied. */
  width: number;
  height: number;
  animated: boolean;
}

const ACCEPTED = 'Send a JPEG, PNG or WebP picture.';

/**
 * What the first bytes of a picture say, read without decoding anything.
 * @throws RequestError `image_empty`, `image_unsupported`, `image_damaged`, `image_animated`, `image_too_large`.
 */
export function probeImage(bytes: Uint8Array, maxPixels: number): Probe {
  if (bytes.length === 0) throw new RequestError(422, 'image_empty', `The picture has no bytes. ${ACCEPTED}`);
  const found = sniff(bytes);
  if (found === 'a GIF picture' && frameCountOfGif(bytes, 2) > 1) throw animated();
  if (found !== 'jpeg' && found !== 'png' && found !== 'webp')
    throw new RequestError(
      415,
      'image_unsupported',
      `The file is ${found}, which this service does not read. ${ACCEPTED}`,
      { details: { found } },
    );
  const header = readHeader(found, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (header === undefined || header.width === 0 || header.height === 0) throw damaged();
  if (header.animated) throw animated();
  if (header.width * header.height > maxPixels) throw tooLarge(header.width, header.height, maxPixels);
  return { format: found, ...header };
}

function animated(): RequestError {
  return new RequestError(
    422,
    'image_animated',
    `The picture is animated, and this service works on single pictures. Send one frame of it as JPEG, PNG or WebP.`,
  );
}

function tooLarge(width: number, height: number, maxPixels: number): RequestError {
  return new RequestError(
    422,
    'image_too_large',
    `The picture has ${width} × ${height} pixels; at most ${maxPixels} in all are accepted. Make it smaller and send it again.`,
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

type Header = Omit<Probe, 'format'>;

function readHeader(format: Probe['format'], bytes: Buffer): Header | undefined {
  switch (format) {
    case 'jpeg':
      return jpegHeader(bytes);
    case 'png':
      return pngHeader(bytes);
    case 'webp':
      return webpHeader(bytes);
  }
}

/** Walks the markers to the frame header (SOF0 to SOF15, without DHT, JPG and DAC, which share its range). */
function jpegHeader(bytes: Buffer): Header | undefined {
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] as number;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (isStandalone(marker)) {
      at += 2;
      continue;
    }
    if (isFrameHeader(marker)) {
      if (at + 9 > bytes.length) return undefined;
      return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7), animated: false };
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

function isStandalone(marker: number): boolean {
  return marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}

function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** IHDR, then the chunks up to the first IDAT: an `acTL` among them makes it an APNG. */
function pngHeader(bytes: Buffer): Header | undefined {
  if (bytes.length < 33 || bytes.toString('latin1', 12, 16) !== 'IHDR') return undefined;
  const size = { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
  let at = 33;
  while (at + 8 <= bytes.length) {
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (type === 'acTL') return { ...size, animated: true };
    if (type === 'IDAT') break;
    at += 12 + bytes.readUInt32BE(at);
  }
  return { ...size, animated: false };
}

const ANIMATION_FLAG = 0x02;

function webpHeader(bytes: Buffer): Header | undefined {
  if (bytes.length < 30) return undefined;
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8X':
      return {
        width: bytes.readUIntLE(24, 3) + 1,
        height: bytes.readUIntLE(27, 3) + 1,
        animated: ((bytes[20] as number) & ANIMATION_FLAG) !== 0,
      };
    case 'VP8L': {
      const packed = bytes.readUInt32LE(21);
      return { width: (packed & 0x3fff) + 1, height: ((packed >>> 14) & 0x3fff) + 1, animated: false };
    }
    case 'VP8 ':
      return {
        width: bytes.readUInt16LE(26) & 0x3fff,
        height: bytes.readUInt16LE(28) & 0x3fff,
        animated: false,
      };
    default:
      return undefined;
  }
}
