/** What holds memory, as the gate sees it. */
export interface Holder {
  name: string;
  bytes: number;
  /** `pinned` is never asked to go; `leaving` has been asked, or is on its way out. */
  state: 'pinned' | 'idle' | 'busy' | 'leaving';
  lastUsedAt: number;
}

export type RoomPlan =
  | { kind: 'fits' }
  /** These are to go, the busy ones after what they do; then it fits. */
  | { kind: 'evict'; names: string[] }
  | { kind: 'wait' }
  /** Not even with everything gone that may go. */
  | { kind: 'never'; pinnedBytes: number };

/** How room is made for a process: the least recently used go first, idle ones before busy ones. Pure. */
export function planRoom(
  need: number,
  budget: number,
  holders: Holder[],
  options: { busyMayGo: boolean },
): RoomPlan {
  const bytesOf = (chosen: Holder[]): number => chosen.reduce((sum, { bytes }) => sum + bytes, 0);
  const inState = (state: Holder['state']): Holder[] => holders.filter((holder) => holder.state === state);
  const pinnedBytes = bytesOf(inState('pinned'));
  if (need + pinnedBytes > budget) return { kind: 'never', pinnedBytes };
  let missing = need - (budget - bytesOf(holders));
  if (missing <= 0) return { kind: 'fits' };
  missing -= bytesOf(inState('leaving'));
  if (missing <= 0) return { kind: 'wait' };
  const byUse = (a: Holder, b: Holder): number => a.lastUsedAt - b.lastUsedAt;
  const candidates = inState('idle').toSorted(byUse);
  if (options.busyMayGo) candidates.push(...inState('busy').toSorted(byUse));
  const names: string[] = [];
  for (const { name, bytes } of candidates) {
    if (missing <= 0) break;
    names.push(name);
    missing -= bytes;
  }
  return missing <= 0 ? { kind: 'evict', names } : { kind: 'wait' };
}

export interface Claim {
  bytes: number;
  /** To what was measured. */
  adjust(bytes: number): void;
  /** It is being given back: nobody else need go for it. */
  leave(): void;
  release(): void;
}

export type ClaimOutcome = { ok: true; claim: Claim } | { ok: false; pinnedBytes: number };

export interface MemoryGate {
  /** Waits its turn; makes others go when it must. Not ok when it can never fit. Undefined once `wanted` says no. */
  claim(name: string, bytes: number, wanted: () => boolean): Promise<ClaimOutcome | undefined>;
  /** Only when there is room now, and nobody waits. */
  tryClaim(name: string, bytes: number): Claim | undefined;
  /** To be called when somebody became idle, or is no longer wanted. */
  look(): void;
  bytes(): number;
  close(): void;
}

export interface MemoryGateOptions {
  budget: number;
  /** How one waits before busy ones are asked to go after what they do. */
  patienceMs: number;
  stateOf: (name: string) => { pinned: boolean; busy: boolean; lastUsedAt: number };
  evict: (name: string) => void;
  now: () => number;
}

interface Waiter {
  name: string;
  bytes: number;
  since: number;
  wanted: () => boolean;
  settle: (outcome: ClaimOutcome | undefined) => void;
}

/** The memory of all model processes, shared by claims. First come, first served, so that a large one is not starved. */
export function createMemoryGate(options: MemoryGateOptions): MemoryGate {
  const { budget, patienceMs, stateOf, evict, now } = options;
  const claims = new Map<Claim, { name: string; leaving: boolean }>();
  const waiters: Waiter[] = [];
  let timer: NodeJS.Timeout | undefined;

  function holders(exceptFor: string): Holder[] {
    return [...claims].map(([claim, { name, leaving }]) => {
      const { pinned, busy, lastUsedAt } = stateOf(name);
      const kept = pinned && name !== exceptFor ? 'pinned' : busy ? 'busy' : 'idle';
      return { name, bytes: claim.bytes, state: leaving ? 'leaving' : kept, lastUsedAt };
    });
  }

  function grant(name: string, bytes: number): Claim {
    const claim: Claim = {
      bytes,
      adjust(measured) {
        claim.bytes = measured;
        relieve();
        look();
      },
      leave() {
        const held = claims.get(claim);
        if (held !== undefined) held.leaving = true;
      },
      release() {
        claims.delete(claim);
        look();
      },
    };
    claims.set(claim, { name, leaving: false });
    return claim;
  }

  /** More was measured than reckoned: idle ones go until it fits again. */
  function relieve(): void {
    const plan = planRoom(0, budget, holders(''), { busyMayGo: false });
    if (plan.kind === 'evict') for (const name of plan.names) evict(name);
  }

  /** Whether the waiter is done with. */
  function settled(waiter: Waiter): boolean {
    if (!waiter.wanted()) {
      waiter.settle(undefined);
      return true;
    }
    const waited = now() - waiter.since;
    const plan = planRoom(waiter.bytes, budget, holders(waiter.name), { busyMayGo: waited >= patienceMs });
    if (plan.kind === 'never') waiter.settle({ ok: false, pinnedBytes: plan.pinnedBytes });
    else if (plan.kind === 'fits') waiter.settle({ ok: true, claim: grant(waiter.name, waiter.bytes) });
    else {
      if (plan.kind === 'evict') for (const name of plan.names) evict(name);
      else if (waited < patienceMs) timer ??= setTimeout(wake, patienceMs - waited + 1);
      return false;
    }
    return true;
  }

  function wake(): void {
    timer = undefined;
    look();
  }

  function look(): void {
    for (;;) {
      const [first] = waiters;
      if (first === undefined || !settled(first)) return;
      waiters.splice(waiters.indexOf(first), 1);
    }
  }

  return {
    async claim(name, bytes, wanted) {
      return new Promise((settle) => {
        waiters.push({ name, bytes, since: now(), wanted, settle });
        look();
      });
    },
    tryClaim(name, bytes) {
      if (waiters.length > 0) return undefined;
      const used = [...claims.keys()].reduce((sum, claim) => sum + claim.bytes, 0);
      return used + bytes <= budget ? grant(name, bytes) : undefined;
    },
    look,
    bytes: () => [...claims.keys()].reduce((sum, claim) => sum + claim.bytes, 0),
    close() {
      clearTimeout(timer);
      for (const { settle } of waiters.splice(0)) settle(undefined);
    },
  };
}
