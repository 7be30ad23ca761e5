import type { Header } from './header.ts';

/** Segments before the frame header; a camera writes a few dozen. */
const MOST_SEGMENTS = 4096;

/** Walks the markers to the frame header (SOF0 to SOF15, without DHT, JPG and DAC, which share its range). */
export function jpegHeader(bytes: Buffer): Header | undefined {
  let at = 2;
  for (let segment = 0; segment < MOST_SEGMENTS && at + 4 <= bytes.length; segment++) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] as number;
    if (marker === 0xff) {
      at += 1;
    } else if (isStandalone(marker)) {
      at += 2;
    } else if (isFrameHeader(marker)) {
      if (at + 9 > bytes.length) return undefined;
      return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7), animated: false };
    } else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return undefined;
}

function isStandalone(marker: number): boolean {
  return marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}

function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

const START_OF_SCAN = 0xda;

/**
 * How many scans a JPEG has, counted up to `most`. Each costs a decoder a pass over the whole picture, though it may
 * be ten bytes long. In compressed data a marker cannot occur by chance; in other segments it can, which only counts
 * too many, by tens in a megabyte of metadata, so those are skipped by their length.
 */
export function scanCountOfJpeg(bytes: Uint8Array, most: number): number {
  let scans = 0;
  let at = 2;
  while (at + 3 < bytes.length && scans < most) {
    const marker = bytes[at + 1] as number;
    if (bytes[at] !== 0xff || marker === 0x00 || marker === 0xff || isStandalone(marker)) {
      at += 1;
      continue;
    }
    if (marker === START_OF_SCAN) scans++;
    at += 2 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
  }
  return scans;
}
