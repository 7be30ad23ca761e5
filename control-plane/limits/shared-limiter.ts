import { messageOf } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { Claims, LeaseBound, LimitAnswer, Limiter } from './limiter.ts';
import {
  createLocalCounts,
  giveBackLocally,
  type LocalClock,
  releaseLocally,
  takeLocally,
} from './memory-limiter.ts';
import { BEAT, GIVE_BACK, JOIN, LEAVE, TAKE, TELL_LEASE, TELL_WINDOW } from './scripts.ts';
import type { WindowAnswer } from './sliding-window.ts';
import type { SharedStore } from './store.ts';

export interface SharedLimiterOptions {
  store: SharedStore;
  /** Names this gateway among all; a name is never used by two at once. */
  name: string;
  /** How many there are at most. */
  gateways: number;
  windowMs: number;
  maxKeys: number;
  /** How often the store hears of this gateway at least. */
  beatMs: number;
  /** After so long without a word it counts as away. */
  staleMs: number;
  /** How long a gateway goes on without the store. */
  aloneMs: number;
  /** How long a request counts as in flight after its gateway's last word. */
  leaseMs: number;
  clock: LocalClock;
  logger: Logger;
}

const LIFE = '{ip}:life';
const GATEWAYS = '{ip}:gateways';
/** How much later than it was sent a command still counts. */
const LATE_MS = 1_000;
/** For clocks that do not run equally fast. */
const MARGIN_MS = 500;
const CHUNK = 500;
/** The answers with which the store did not take a command for a sign of life. */
const REFUSALS = new Set(['late', 'join', 'full']);
const REFUSED_RETRY_MS = 1_000;

const windowKey = (key: string): string => `{ip}:w:${key}`;
const leaseKey = (key: string): string => `{ip}:l:${key}`;
const member = (id: string, { pixels, steps }: { pixels: number; steps: number }): string =>
  `${id}|${pixels}|${steps}`;

type Mode = 'shared' | 'alone';

/**
 * Limits over several gateways. While the store answers, it alone decides, and the limits are exact. A gateway that
 * cannot reach it goes on alone with its share, `limit / gateways` rounded down, and over all gateways no window ever
 * holds more than the limit:
 *
 * - The store last heard of it `LATE_MS` after its last command at the latest. `staleMs` later it counts as away, and
 *   the others get the limit less its share. It waits for that, and for one window more, in which what the others
 *   admitted before leaves the window; only then it begins. It counts what it has admitted itself, by the store or not.
 * - After `aloneMs` it stops; only later than that the store forgets it and its share.
 * - Before the store decides for it again, it tells what it has admitted. It admits nothing while it does so.
 * - A store that was started anew may have lost everything. It admits nothing until all `gateways` have told, or one
 *   window has passed; gateways of which it does not know count as away until they would have stopped.
 *
 * docs/decisions/0006 has the proof, and what it costs.
 */
export function createSharedLimiter(options: SharedLimiterOptions): Limiter {
  const { store, name, gateways, windowMs, staleMs, aloneMs, leaseMs, clock, logger } = options;
  const counts = createLocalCounts(options);
  const forgetMs = aloneMs + LATE_MS + staleMs + windowMs + 2 * MARGIN_MS;
  let mode: Mode = 'alone';
  let run = '';
  /** The store's clock less ours, at the least: microseconds. */
  let offset = 0;
  /** When a command that the store takes for a sign of life was last sent. */
  let lastWord = -Infinity;
  /** When the last one was sent that was answered well. */
  let lastAnswered = -Infinity;
  let trouble: string | undefined = 'the shared limits have not been reached yet';
  let joining: Promise<void> | undefined;
  let renewedAt = -Infinity;
  let closed = false;

  async function ask(script: string, keys: readonly string[], more: object): Promise<string[]> {
    const sentAt = clock.nowMs();
    lastWord = sentAt;
    const answer = await store.script(
      script,
      [LIFE, GATEWAYS, ...keys],
      [
        JSON.stringify({
          run,
          me: name,
          gateways,
          deadline: Math.round(offset + (sentAt + LATE_MS) * 1000),
          window: windowMs * 1000,
          stale: staleMs * 1000,
          forget: forgetMs * 1000,
          lease: leaseMs * 1000,
          ...more,
        }),
      ],
    );
    if (!Array.isArray(answer) || !answer.every((part) => typeof part === 'string'))
      throw new Error('the store of shared limits gave no answer of the known form');
    if (!REFUSALS.has(answer[0] ?? '')) lastAnswered = sentAt;
    return answer;
  }

  /** The clock, by a script that changes nothing when it is late: it always is, with a deadline of 0. */
  async function setClock(): Promise<void> {
    const sentAt = clock.nowMs();
    const answer = await store.script(
      JOIN,
      [LIFE, GATEWAYS],
      [JSON.stringify({ deadline: 0, run, me: name })],
    );
    if (!Array.isArray(answer) || clock.nowMs() - sentAt > MARGIN_MS / 2)
      throw new Error('the store of shared limits is too slow to set a clock by');
    // It read its clock after this was sent: deadlines come late rather than early, by half of the margin at most.
    offset = Number(answer[1]) - sentAt * 1000;
  }

  function goAlone(reason: string): void {
    if (mode === 'shared') logger.warn({ reason }, 'the shared limits are away');
    mode = 'alone';
    trouble = reason;
  }

  async function join(): Promise<void> {
    run = await store.run();
    await store.load([JOIN, BEAT, TAKE, GIVE_BACK, TELL_WINDOW, TELL_LEASE]);
    await setClock();
    await tell();
    const [status] = await ask(JOIN, [], {});
    if (status !== 'ok')
      throw new Error(
        status === 'full'
          ? `more gateways than sharedLimits.gateways (${gateways}) are or were running`
          : `the store of shared limits answered ${status ?? 'nothing'}`,
      );
    mode = 'shared';
    trouble = undefined;
    logger.info({ name, gateways }, 'joined the shared limits');
  }

  async function tell(): Promise<void> {
    const calls: Promise<unknown>[] = [];
    const flush = async (): Promise<void> => {
      await Promise.all(calls.splice(0));
    };
    for (const [key, counted] of counts.windows.entries(clock.nowMs()))
      for (let from = 0; from < counted.length; from += CHUNK) {
        const args = counted
          .slice(from, from + CHUNK)
          .flatMap(({ id, ageMs }) => [id, Math.round(ageMs * 1000)]);
        calls.push(store.script(TELL_WINDOW, [windowKey(key)], [windowMs * 1000, ...args]));
        if (calls.length >= CHUNK) await flush();
      }
    for (const { key, id, ...weight } of counts.leases.entries()) {
      calls.push(store.script(TELL_LEASE, [leaseKey(key)], [leaseMs * 1000, member(id, weight)]));
      if (calls.length >= CHUNK) await flush();
    }
    await flush();
  }

  function rejoin(): Promise<void> {
    joining ??= join()
      .catch((error: unknown) => {
        goAlone(messageOf(error));
      })
      .finally(() => {
        joining = undefined;
      });
    return joining;
  }

  async function beat(): Promise<void> {
    if (mode !== 'shared') return rejoin();
    const renew = clock.nowMs() - renewedAt > leaseMs / 4;
    const held = new Map<string, string[]>();
    if (renew)
      for (const { key, id, ...weight } of counts.leases.entries())
        held.set(leaseKey(key), [...(held.get(leaseKey(key)) ?? []), member(id, weight)]);
    try {
      const [status] = await ask(BEAT, [...held.keys()], { held: [...held.values()] });
      if (status !== 'ok') goAlone(`the store of shared limits answered ${status ?? 'nothing'}`);
      else if (renew) renewedAt = clock.nowMs();
    } catch (error) {
      goAlone(messageOf(error));
    }
  }

  async function takeShared(claims: Claims): Promise<LimitAnswer | undefined> {
    const keys = [
      ...claims.windows.map(({ key }) => windowKey(key)),
      ...claims.leases.map(({ key }) => leaseKey(key)),
    ];
    try {
      const answer = await ask(TAKE, keys, {
        id: claims.id,
        member: member(claims.id, claims.weight),
        windows: claims.windows.map(({ limit }) => limit),
        leases: claims.leases.map(({ bound }) => bound),
        ...claims.weight,
      });
      return fromStore(answer, claims);
    } catch (error) {
      goAlone(messageOf(error));
      return undefined;
    }
  }

  function fromStore(answer: string[], claims: Claims): LimitAnswer | undefined {
    const [status = '', now = '0', place = '0'] = answer;
    if (status === 'closed') return { kind: 'unavailable', retryAfterMs: Number(place) / 1000 };
    if (status === 'join' || status === 'late') {
      goAlone(`the store of shared limits answered ${status}`);
      return undefined;
    }
    if (status !== 'ok') return refusalOf(answer, claims);
    for (const { key } of claims.windows) counts.windows.note(key, clock.nowMs(), claims.id);
    for (const { key } of claims.leases) counts.leases.hold(key, claims.id, claims.weight);
    return { kind: 'admitted', at: Number(now) / 1000, windows: windowsOf(answer, claims) };
  }

  function takeAlone(claims: Claims): LimitAnswer {
    const now = clock.nowMs();
    const begins = lastWord + LATE_MS + staleMs + windowMs + MARGIN_MS;
    if (now < begins || now > lastAnswered + aloneMs)
      return { kind: 'unavailable', retryAfterMs: REFUSED_RETRY_MS };
    return takeLocally(counts, claims, gateways, clock);
  }

  const timer = setInterval(() => {
    if (!closed) void beat();
  }, options.beatMs);
  void beat();
  store.onLost(() => {
    goAlone('the connection to the store of shared limits was lost');
  });

  return {
    windowMs,
    async take(claims) {
      if (joining !== undefined) await joining;
      if (mode === 'shared') {
        const answer = await takeShared(claims);
        if (answer !== undefined) return answer;
        // Nothing was counted if it did not know this gateway; whatever else it was, it may be over already.
        await rejoin();
        if (modeNow() === 'shared') return (await takeShared(claims)) ?? takeAlone(claims);
      }
      return takeAlone(claims);
    },
    release(claims) {
      releaseLocally(counts, claims);
      if (mode === 'shared' && claims.leases.length > 0)
        withdraw(
          claims,
          claims.leases.map(({ key }) => leaseKey(key)),
        );
    },
    giveBack(claims) {
      giveBackLocally(counts, claims);
      if (mode === 'shared')
        withdraw(claims, [
          ...claims.windows.map(({ key }) => windowKey(key)),
          ...claims.leases.map(({ key }) => leaseKey(key)),
        ]);
    },
    away: () => mode !== 'shared',
    everReached: () => lastAnswered !== -Infinity,
    problem: () => trouble,
    async close() {
      closed = true;
      clearInterval(timer);
      await joining;
      // It admits nobody from now on, so that nobody has to keep its share.
      await ask(LEAVE, [], {}).catch(() => undefined);
      store.close();
    },
  };

  function modeNow(): Mode {
    return mode;
  }

  /** When that fails, time gives it back. */
  function withdraw(claims: Claims, keys: string[]): void {
    if (closed || keys.length === 0) return;
    store.script(GIVE_BACK, keys, [claims.id, member(claims.id, claims.weight)]).catch(() => undefined);
  }
}

/** Answer of the script: status, time, place of the claim that is spent, what of it; then room and reset of each window. */
function windowsOf(answer: readonly string[], { windows }: Claims): WindowAnswer[] {
  return windows.map(({ limit }, index) => {
    const remaining = Number(answer[4 + 2 * index]);
    const resetMs = Math.max(0, Number(answer[5 + 2 * index]) / 1000);
    const admitted = answer[0] === 'ok' || remaining > 0;
    return { admitted, limit, remaining, resetMs, retryAfterMs: admitted ? 0 : resetMs };
  });
}

function refusalOf(answer: readonly string[], claims: Claims): LimitAnswer {
  const [status, , place, what = ''] = answer;
  const index = Number(place) - 1;
  const windows = windowsOf(answer, claims);
  if (status === 'window') return { kind: 'window', policy: claims.windows[index]?.policy ?? '', windows };
  const spent = what as keyof LeaseBound;
  const { policy = '', bound } = claims.leases[index] ?? {};
  return { kind: 'lease', policy, what: spent, limit: bound?.[spent] ?? 0, windows };
}
