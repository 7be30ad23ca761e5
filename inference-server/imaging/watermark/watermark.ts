import type { Raster } from '../resample.ts';
import { lumaOf, SIDE, stretch, transform } from './canonical.ts';
import { type Carrier, carrierOf } from './carrier.ts';
import { CODED_BITS, decodeTag, encodeTag, tagOf } from './message.ts';

/** Sides below this leave too little between what JPEG drops and what the eye sees. */
export const SMALLEST_SIDE = 256;
/** How far each coded bit's projection is pushed to its side; what attacks take from it is its noise. */
const STRENGTH = 24;
/** A coefficient counts at most so much: an edge of a silhouette must not outvote a hundred others. */
const LIMIT = 60;
const ROUNDS = 3;
const SQUARE = { width: SIDE, height: SIDE };

export interface Watermark {
  /**
   * Marks the opaque pixels of a picture (1, 3 or 4 channels), in place, as belonging to an owner.
   * @returns false, with the picture unchanged, when it cannot carry a mark: a side below 256 pixels, or too little
   * that is opaque.
   */
  embed(picture: Raster, owner: string): boolean;
  /** The tag that a picture carries, without needing the original; undefined when it carries none of this key. */
  read(picture: Raster): string | undefined;
  /** The tag of an owner, to compare with. */
  tagOf(owner: string): string;
}

/**
 * Improved spread spectrum (Malvar and Florêncio, IEEE Transactions on Signal Processing 51(4), 2003) on block cosine
 * coefficients of the picture's brightness at a fixed size, with a soft-decoded convolutional code. The embedder sees
 * what the picture itself adds to each bit's projection and pushes it only as far as it must, in rounds on the picture
 * as stored, so that rounding, clipping, masking and transparency are made up for.
 * @param key at least 16 secret bytes; who has them can read, remove and forge marks.
 */
export function createWatermark(key: Uint8Array): Watermark {
  const carrier = carrierOf(key);
  return {
    tagOf: (owner) => tagOf(owner, carrier),
    read: (picture) => {
      if (Math.min(picture.width, picture.height) < SMALLEST_SIDE / 2) return undefined;
      return decodeTag(projectionsOf(carrier, squareOf(picture)), carrier);
    },
    embed(picture, owner) {
      if (Math.min(picture.width, picture.height) < SMALLEST_SIDE) return false;
      const original = picture.data.slice();
      const tag = tagOf(owner, carrier);
      push(picture, original, carrier, encodeTag(tag, carrier));
      if (decodeTag(projectionsOf(carrier, squareOf(picture)), carrier) === tag) return true;
      picture.data.set(original);
      return false;
    },
  };
}

function squareOf(picture: Raster): Float32Array {
  return stretch(lumaOf(picture), picture, SQUARE);
}

/** How strongly each coded bit shows, above zero for 1. */
function projectionsOf({ positions, bits, weights }: Carrier, square: Float32Array): Float32Array {
  const coefficients = transform(square, 'forward');
  const projections = new Float32Array(CODED_BITS);
  for (let i = 0; i < positions.length; i++) {
    const value = coefficients[positions[i] as number] as number;
    const limited = Math.max(-LIMIT, Math.min(LIMIT, value));
    const bit = bits[i] as number;
    projections[bit] = (projections[bit] as number) + limited * (weights[i] as number);
  }
  return projections;
}

function push(picture: Raster, original: Uint8Array, carrier: Carrier, coded: Uint8Array): void {
  const first = squareOf(picture);
  const gain = gainOf(first);
  const wanted = new Float32Array(CODED_BITS);
  let square = first;
  for (let round = 0; round < ROUNDS; round++) {
    const projections = projectionsOf(carrier, square);
    coded.forEach((bit, index) => {
      const side = 2 * bit - 1;
      const missing = STRENGTH - side * (projections[index] as number);
      // A bit that its picture helps along is left where it is.
      wanted[index] = side * Math.max(0, side * (wanted[index] as number) + missing);
    });
    add(picture, original, stretch(patternOf(carrier, wanted, gain), SQUARE, picture));
    square = squareOf(picture);
  }
}

function patternOf(carrier: Carrier, wanted: Float32Array, gain: Float32Array): Float32Array {
  const coefficients = new Float32Array(SIDE * SIDE);
  const { positions, bits, weights } = carrier;
  for (let i = 0; i < positions.length; i++)
    coefficients[positions[i] as number] = (wanted[bits[i] as number] as number) * (weights[i] as number);
  const pattern = transform(coefficients, 'back');
  for (let i = 0; i < pattern.length; i++) pattern[i] = (pattern[i] as number) * (gain[i] as number);
  return pattern;
}

const AREA = 3;
const CALM = 0.6;
const BUSY = 1.8;
/** Standard deviation of the surroundings that hides a full mark. */
const FULL_AT = 12;

/** How much of the mark each place takes: texture hides it, an even sky shows it. */
function gainOf(square: Float32Array): Float32Array {
  const means = surroundings(square);
  const squares = surroundings(square.map((value) => value * value));
  return means.map((mean, i) => {
    const deviation = Math.sqrt(Math.max(0, (squares[i] as number) - mean * mean));
    return Math.min(BUSY, CALM + ((BUSY - CALM) * deviation) / FULL_AT);
  });
}

/** The mean of each place's surroundings, whose missing places repeat the border. */
function surroundings(square: Float32Array): Float32Array {
  const along = (plane: Float32Array, step: number): Float32Array =>
    plane.map((_, at) => {
      const place = step === 1 ? at % SIDE : Math.floor(at / SIDE);
      let sum = 0;
      for (let i = -AREA; i <= AREA; i++)
        sum += plane[at + (Math.max(0, Math.min(SIDE - 1, place + i)) - place) * step] as number;
      return sum / (2 * AREA + 1);
    });
  return along(along(square, 1), SIDE);
}

function clamped(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : (value + 0.5) | 0;
}

/** Adds the pattern to what was there at first, where it is opaque. */
function add(picture: Raster, original: Uint8Array, pattern: Float32Array): void {
  const { data, channels } = picture;
  const colours = channels >= 3 ? 3 : 1;
  const alphaAt = channels === 4 ? 3 : channels === 2 ? 1 : -1;
  for (let pixel = 0, at = 0; pixel < pattern.length; pixel++, at += channels) {
    if (alphaAt >= 0 && original[at + alphaAt] !== 255) continue;
    const change = pattern[pixel] as number;
    for (let channel = 0; channel < colours; channel++)
      data[at + channel] = clamped((original[at + channel] as number) + change);
  }
}
