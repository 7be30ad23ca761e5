import { createHmac } from 'node:crypto';

/** The owner's tag in bits; two owners share one with a chance of one in 2^40. */
const TAG_BITS = 40;
/** Of a keyed digest of the tag: what a picture without a mark passes with a chance of one in 2^24. */
const CHECK_BITS = 24;
const MESSAGE_BITS = TAG_BITS + CHECK_BITS;

/** The usual rate-1/2 convolutional code of constraint length 7 (generators 171 and 133 in octal), ended by six zeros. */
const GENERATORS = [0o171, 0o133] as const;
const MEMORY = 6;
const STATES = 1 << MEMORY;
const STEPS = MESSAGE_BITS + MEMORY;
export const CODED_BITS = STEPS * GENERATORS.length;

export interface MessageKeys {
  tag: Uint8Array;
  check: Uint8Array;
}

function digest(key: Uint8Array, text: string, bits: number): string {
  return createHmac('sha256', key)
    .update(text)
    .digest('hex')
    .slice(0, bits / 4);
}

/** What a picture carries for an owner: ten hexadecimal digits of a keyed digest of the id. */
export function tagOf(owner: string, keys: MessageKeys): string {
  return digest(keys.tag, owner, TAG_BITS);
}

function bitsOf(hex: string): number[] {
  return Array.from(hex, (digit) => Number.parseInt(digit, 16)).flatMap((value) =>
    [3, 2, 1, 0].map((bit) => (value >> bit) & 1),
  );
}

function parity(value: number): number {
  let bits = value;
  for (let shift = 4; shift > 0; shift >>= 1) bits ^= bits >> shift;
  return bits & 1;
}

/** The two coded bits when `bit` enters a register holding `state`, the newest bit highest. */
function outputsOf(state: number, bit: number): [number, number] {
  const register = (bit << MEMORY) | state;
  return [parity(register & GENERATORS[0]), parity(register & GENERATORS[1])];
}

/** The coded bits that carry a tag. */
export function encodeTag(tag: string, keys: MessageKeys): Uint8Array {
  const message = bitsOf(tag + digest(keys.check, tag, CHECK_BITS));
  const coded = new Uint8Array(CODED_BITS);
  let state = 0;
  for (let step = 0; step < STEPS; step++) {
    const bit = message[step] ?? 0;
    [coded[2 * step], coded[2 * step + 1]] = outputsOf(state, bit);
    state = ((bit << MEMORY) | state) >> 1;
  }
  return coded;
}

/**
 * The tag that the coded bits carry, or undefined when its check fails.
 * @param soft one value a coded bit: above zero for 1, below for 0, its size how sure that is.
 */
export function decodeTag(soft: Float32Array, keys: MessageKeys): string | undefined {
  const bits = likeliest(soft);
  let hex = '';
  for (let at = 0; at < MESSAGE_BITS; at += 4)
    hex += Number.parseInt(bits.slice(at, at + 4).join(''), 2).toString(16);
  const tag = hex.slice(0, TAG_BITS / 4);
  return hex.slice(TAG_BITS / 4) === digest(keys.check, tag, CHECK_BITS) ? tag : undefined;
}

/** Viterbi's algorithm with soft decisions; the code starts and ends in state 0. */
function likeliest(soft: Float32Array): number[] {
  let scores = new Float64Array(STATES).fill(-Infinity);
  scores[0] = 0;
  const cameFrom = Array.from({ length: STEPS }, () => new Uint8Array(STATES));
  cameFrom.forEach((origins, step) => {
    const next = new Float64Array(STATES).fill(-Infinity);
    for (let state = 0; state < STATES; state++)
      for (const bit of step < MESSAGE_BITS ? [0, 1] : [0]) {
        const [first, second] = outputsOf(state, bit);
        const gain = (2 * first - 1) * (soft[2 * step] ?? 0) + (2 * second - 1) * (soft[2 * step + 1] ?? 0);
        const score = (scores[state] as number) + gain;
        const target = ((bit << MEMORY) | state) >> 1;
        if (score > (next[target] as number)) {
          next[target] = score;
          origins[target] = state;
        }
      }
    scores = next;
  });
  const bits: number[] = [];
  let state = 0;
  for (const origins of cameFrom.toReversed()) {
    bits.push(state >> (MEMORY - 1));
    state = origins[state] as number;
  }
  return bits.reverse();
}
