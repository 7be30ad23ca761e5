/** Lets what only counts something be written at intervals: a thousand services that come at once are counted a few times. */
export interface Pacer {
  /** Milliseconds until the object's next turn; 0 takes the turn now. */
  turn: (uid: string) => number;
}

export function createPacer(intervalMs: number, now: () => Date): Pacer {
  /** Of those whose turn was less than an interval ago. */
  const turns = new Map<string, number>();
  return {
    turn(uid) {
      const time = now().getTime();
      for (const [other, at] of turns) {
        if (time - at < intervalMs && time >= at) break;
        turns.delete(other);
      }
      const last = turns.get(uid);
      if (last !== undefined) return last + intervalMs - time;
      turns.set(uid, time);
      return 0;
    },
  };
}
