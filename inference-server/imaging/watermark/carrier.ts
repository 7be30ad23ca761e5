import { createCipheriv, createHmac } from 'node:crypto';
import { BLOCK, SIDE } from './canonical.ts';
import { CODED_BITS, type MessageKeys } from './message.ts';

/** Which coefficients carry which coded bit, and with which sign: a secret of the key. */
export interface Carrier extends MessageKeys {
  /** Positions in the plane of coefficients. */
  positions: Uint32Array;
  /** Beside `positions`: the coded bit that each carries. */
  bits: Uint8Array;
  /** Beside `positions`: +w or -w, so that each bit's carrier has length 1. */
  weights: Float32Array;
}

const LOWEST = 3;
const HIGHEST = 6;
const MOST_PER_AXIS = 5;

/** Coefficients of a block that carry: above what the eye takes for shading, below what JPEG drops. */
function carries(u: number, v: number): boolean {
  return u + v >= LOWEST && u + v <= HIGHEST && Math.max(u, v) <= MOST_PER_AXIS;
}

function derive(key: Uint8Array, purpose: string): Buffer {
  return createHmac('sha256', key).update(`imageplane watermark 1 ${purpose}`).digest();
}

/** @throws RangeError when the key has fewer than 16 bytes. */
export function carrierOf(key: Uint8Array): Carrier {
  if (key.length < 16) throw new RangeError('the key of the watermark must have at least 16 bytes');
  const positions: number[] = [];
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) if (carries(x % BLOCK, y % BLOCK)) positions.push(y * SIDE + x);
  const stream = createCipheriv('aes-256-ctr', derive(key, 'carrier'), Buffer.alloc(16)).update(
    Buffer.alloc(8 * positions.length),
  );
  const shuffled = Uint32Array.from(positions);
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = stream.readUInt32LE(8 * last) % (last + 1);
    [shuffled[last], shuffled[other]] = [shuffled[other] as number, shuffled[last] as number];
  }
  const perBit = Math.floor(shuffled.length / CODED_BITS);
  const used = perBit * CODED_BITS;
  const length = 1 / Math.sqrt(perBit);
  return {
    positions: shuffled.subarray(0, used),
    bits: Uint8Array.from({ length: used }, (_, i) => i % CODED_BITS),
    weights: Float32Array.from({ length: used }, (_, i) =>
      (stream[8 * i + 4] as number) & 1 ? length : -length,
    ),
    tag: derive(key, 'tag'),
    check: derive(key, 'check'),
  };
}
