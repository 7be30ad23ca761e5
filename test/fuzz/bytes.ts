import type { Random } from './random.ts';

/** Numbers where arithmetic of sizes breaks. */
export const EDGES = [
  0, 1, 2, 3, 7, 8, 255, 256, 16_383, 16_384, 32_767, 32_768, 65_535, 65_536, 0x00ffffff, 0x7fffffff,
  0x80000000, 0xfffffffe, 0xffffffff,
] as const;

type Mutation = (bytes: Buffer, random: Random) => Buffer;

function at(bytes: Buffer, random: Random): number {
  // Half of the time near the beginning, where the sizes are.
  return random.below(random.chance(0.5) ? Math.min(64, bytes.length) : bytes.length);
}

const MUTATIONS: readonly Mutation[] = [
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    for (let i = 0; i <= random.below(8) && copy.length > 0; i++) {
      const place = at(copy, random);
      copy[place] = (copy[place] as number) ^ (1 << random.below(8));
    }
    return copy;
  },
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    random.bytes(1 + random.below(16)).copy(copy, at(copy, random));
    return copy;
  },
  (bytes, random) => {
    const copy = Buffer.from(bytes);
    const width = random.pick([1, 2, 4]);
    const place = at(copy, random);
    if (place + width > copy.length) return copy;
    const edge = random.pick(EDGES) % 2 ** (8 * width);
    if (random.chance(0.5)) copy.writeUIntBE(edge, place, width);
    else copy.writeUIntLE(edge, place, width);
    return copy;
  },
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => {
    const start = at(bytes, random);
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + 1 + random.below(64))]);
  },
  (bytes, random) => {
    const start = at(bytes, random);
    const inserted = random.chance(0.5) ? random.bytes(random.below(64)) : Buffer.alloc(random.below(4096));
    return Buffer.concat([bytes.subarray(0, start), inserted, bytes.subarray(start)]);
  },
  (bytes, random) => {
    const start = at(bytes, random);
    const piece = bytes.subarray(start, start + random.below(512));
    return Buffer.concat([bytes.subarray(0, start), piece, piece, bytes.subarray(start)]);
  },
  (bytes, random) => Buffer.concat([bytes, random.bytes(random.below(256))]),
];

/** One or more changes that know nothing of any format. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let mutated = bytes;
  for (let i = 0; i <= random.below(3); i++) mutated = random.pick(MUTATIONS)(mutated, random);
  return mutated;
}

/** Begins as one file and goes on as another. */
export function splice(head: Buffer, tail: Buffer, random: Random): Buffer {
  return Buffer.concat([
    head.subarray(0, random.below(head.length)),
    tail.subarray(random.below(tail.length)),
  ]);
}
