import { messageOf } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';
import { type Clock, pause } from './clock.ts';
import { ApiError } from './errors.ts';
import { resources } from './resources.ts';
import type { Client, KubernetesObject, ObjectKey } from './types.ts';

export interface LeaseTimes {
  /** Others wait so long after the last change they saw before they take over. Whole seconds. */
  leaseMs: number;
  /** Without a renewal for so long the leader gives up, which is before others take over. */
  renewMs: number;
  retryMs: number;
}

/** client-go's. */
export const LEASE_TIMES: LeaseTimes = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

export interface Elector {
  /**
   * Resolves once this process leads. Rejects when `signal` ends first; never because of the API server, which is asked
   * again and again.
   */
  acquire: (signal: AbortSignal) => Promise<void>;
  /** True only while nobody else can lead, by the time of this process: to be asked before every write. */
  leads: () => boolean;
  /** Resolves with the reason when the leadership, once gained, is gone for another cause than `release`. */
  lost: Promise<string>;
  /** Stops renewing, and lets the next one take over at once. Never throws. */
  release: () => Promise<void>;
  /** What is wrong now, for people. */
  problem: () => string | undefined;
}

export interface ElectorOptions {
  client: Client;
  lease: Required<ObjectKey>;
  /** Of this process, and of no other ever. */
  identity: string;
  times?: LeaseTimes;
  clock: Clock;
  random: () => number;
  logger: Logger;
  onChange?: (leads: boolean) => void;
}

interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

interface Lease extends KubernetesObject {
  spec?: LeaseSpec;
}

const JITTER = 1.2;

/** @throws RangeError where a leader could go on after another has begun. */
export function checkLeaseTimes({ leaseMs, renewMs, retryMs }: LeaseTimes): void {
  if (leaseMs % 1000 !== 0 || leaseMs < 1000) throw new RangeError('The lease must last whole seconds.');
  if (leaseMs <= renewMs)
    throw new RangeError('The lease must last longer than the time in which it must be renewed.');
  if (renewMs <= retryMs * JITTER)
    throw new RangeError(
      `The lease must be renewable for longer than ${JITTER} times the pause between tries.`,
    );
  if (retryMs <= 0) throw new RangeError('The pause between tries must be longer than nothing.');
}

/**
 * client-go's algorithm on a Lease: one holder, which renews it; others take it when they have seen no change of it for
 * the time that it lasts, by their own clock. Dates in the Lease are for people and are never compared.
 */
export function createElector(options: ElectorOptions): Elector {
  const { client, lease, identity, times = LEASE_TIMES, clock, random } = options;
  checkLeaseTimes(times);
  const logger = options.logger.child({ lease: `${lease.namespace}/${lease.name}`, identity });
  const lost = Promise.withResolvers<string>();
  const ending = new AbortController();
  /** The last record that was seen to differ from the one before, and when. */
  let observed: { text: string; at: number } | undefined;
  /** When the request of the last successful renewal was sent. Others count from later. */
  let renewedAt: number | undefined;
  let renewedOn = 0;
  let held: Lease | undefined;
  let renewing: Promise<void> | undefined;
  let failure: string | undefined;

  async function attempt(signal: AbortSignal): Promise<boolean> {
    const sent = clock.now();
    const current = await client.get<Lease>(resources.Lease, lease, { signal });
    if (current !== undefined && !isFree(current.spec ?? {})) return false;
    const next = recordOf(current);
    held =
      current === undefined
        ? await client.create<Lease>(resources.Lease, next, { signal })
        : await client.update<Lease>(resources.Lease, next, { signal });
    renewed(sent);
    return true;
  }

  function isFree(spec: LeaseSpec): boolean {
    const text = JSON.stringify(spec);
    if (observed?.text !== text) observed = { text, at: clock.now() };
    if (spec.holderIdentity === undefined || spec.holderIdentity === '' || spec.holderIdentity === identity)
      return true;
    const lastsMs = (spec.leaseDurationSeconds ?? times.leaseMs / 1000) * 1000;
    return clock.now() - observed.at > lastsMs;
  }

  function recordOf(current: Lease | undefined): Lease {
    const now = microTime(clock.date());
    const before = current?.spec;
    const mine = before?.holderIdentity === identity;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: current?.metadata ?? { ...lease },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: times.leaseMs / 1000,
        acquireTime: (mine ? before.acquireTime : undefined) ?? now,
        renewTime: now,
        leaseTransitions: (before?.leaseTransitions ?? 0) + (mine || before === undefined ? 0 : 1),
      },
    };
  }

  /** Renews what is held, without reading it first: a conflict shows that somebody else wrote it. */
  async function renew(signal: AbortSignal): Promise<boolean> {
    if (held === undefined) return attempt(signal);
    const sent = clock.now();
    const next = recordOf(held);
    try {
      held = await client.update<Lease>(resources.Lease, next, { signal });
      renewed(sent);
      return true;
    } catch (error) {
      held = undefined;
      if (error instanceof ApiError && (error.status === 409 || error.status === 404)) return attempt(signal);
      throw error;
    }
  }

  /** False when another leads, or on any failure. */
  async function tried(what: (signal: AbortSignal) => Promise<boolean>, limitMs: number): Promise<boolean> {
    const limit = new AbortController();
    const cancel = clock.after(limitMs, () => {
      limit.abort(new Error(`no answer within ${Math.round(limitMs)} ms`));
    });
    try {
      const success = await what(AbortSignal.any([ending.signal, limit.signal]));
      failure = undefined;
      return success;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) failure = messageOf(error);
      if (!ending.signal.aborted) logger.warn({ err: error }, 'the lease could not be written');
      return false;
    } finally {
      cancel();
    }
  }

  function renewed(sent: number): void {
    renewedAt = sent;
    renewedOn = clock.date().getTime() - (clock.now() - sent);
  }

  /** A machine that was suspended knows of it by the date alone. */
  function mayHaveSlept(): boolean {
    return clock.date().getTime() - renewedOn >= times.leaseMs;
  }

  function sinceRenewal(): number {
    return renewedAt === undefined ? Infinity : clock.now() - renewedAt;
  }

  async function keep(): Promise<void> {
    for (;;) {
      await pause(clock, times.retryMs, ending.signal);
      if (ending.signal.aborted) return;
      const left = times.renewMs - sinceRenewal();
      if (left > 0 && (await tried(renew, left))) continue;
      if (isAborted(ending.signal)) return;
      if (sinceRenewal() < times.renewMs && !takenOver()) continue;
      renewedAt = undefined;
      options.onChange?.(false);
      lost.resolve(failure ?? 'the lease was not renewed in time, or another process holds it');
      return;
    }
  }

  /** Another holder was seen: no need to wait for the deadline. */
  function takenOver(): boolean {
    if (observed === undefined) return false;
    const { holderIdentity = '' } = JSON.parse(observed.text) as LeaseSpec;
    return held === undefined && holderIdentity !== '' && holderIdentity !== identity;
  }

  return {
    async acquire(signal) {
      while (!(await tried(attempt, times.renewMs))) {
        await pause(
          clock,
          times.retryMs * (1 + random() * (JITTER - 1)),
          AbortSignal.any([signal, ending.signal]),
        );
        signal.throwIfAborted();
        ending.signal.throwIfAborted();
      }
      logger.info('this process leads');
      options.onChange?.(true);
      renewing = keep();
    },
    leads: () => !ending.signal.aborted && sinceRenewal() < times.renewMs && !mayHaveSlept(),
    lost: lost.promise,
    async release() {
      const mine = renewedAt !== undefined;
      ending.abort(new Error('the elector ends'));
      await renewing;
      if (!mine) return;
      options.onChange?.(false);
      await giveUp(client, lease, identity, times.retryMs).catch((error: unknown) => {
        logger.warn({ err: error }, 'the lease could not be released; it ends by itself');
      });
      renewedAt = undefined;
    },
    problem: () => (failure === undefined ? undefined : `the lease: ${failure}`),
  };
}

async function giveUp(
  client: Client,
  lease: Required<ObjectKey>,
  identity: string,
  limitMs: number,
): Promise<void> {
  const signal = AbortSignal.timeout(limitMs);
  const current = await client.get<Lease>(resources.Lease, lease, { signal });
  if (current?.spec?.holderIdentity !== identity) return;
  const spec = { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1 };
  await client.update(resources.Lease, { ...current, spec } as Lease, { signal });
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** RFC 3339 with six digits, the only form that a Lease takes. */
export function microTime(date: Date): string {
  return date.toISOString().replace('Z', '000Z');
}
