/** Random numbers of a seed: the same seed gives the same mutations anywhere. */
export interface Random {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  bytes(count: number): Buffer;
}

/** Mulberry32: 32 bits of state are plenty for choosing what to break. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const random: Random = {
    below: (limit) => next() % Math.max(1, limit),
    chance: (probability) => next() < probability * 2 ** 32,
    pick: <T>(from: readonly T[]): T => from[random.below(from.length)] as T,
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => next() & 255)),
  };
  return random;
}
