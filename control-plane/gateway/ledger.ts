import type { Reservation, ReserveResult } from '../quota/ledger.ts';
import { type Bound, isBounded } from '../quota/units.ts';
import type { Bulkhead } from './bulkhead.ts';
import type { QuotaLeases } from './quota-leases.ts';
import type { Spent } from './spent.ts';

/**
 * `lost`: it was asked and gave no answer, so that nobody knows whether it reserved. `away`: it was not asked. `busy`: it
 * was not asked either, since too many of that tenant, or of all, wait for it.
 */
export type LedgerAnswer = ReserveResult | 'lost' | 'away' | 'busy';

export interface Ledger {
  reserve(reservation: Reservation, bounds: readonly Bound[]): Promise<LedgerAnswer>;
  away(): boolean;
  /**
   * Leave to be served during this outage; undefined when there is none. With the lease that it is taken from, where
   * there are bounds to hold.
   */
  takeAllowance(reservation: Reservation, bounds: readonly Bound[]): { lease?: string } | undefined;
  /** How long until it is worth asking again, at least 1. */
  retryAfterSeconds(): number;
}

export interface LedgerOptions {
  reserve: (reservation: Reservation, bounds: readonly Bound[]) => Promise<ReserveResult>;
  leases: QuotaLeases;
  /** By tenant. Its bounds are below what the database takes, so that a burst never looks like an outage. */
  bulkhead: Bulkhead;
  spent: Spent;
  /** For each tenant without bounds, in one outage. */
  requestsPerTenant: number;
  /** How long the gateway goes on in an outage. */
  outageMs: number;
  /** How long the database is left alone after a failure. */
  pauseMs: number;
  /** Monotonic. */
  nowMs: () => number;
  onFailure: (error: unknown) => void;
}

/**
 * The ledger behind a circuit breaker: after one failure, only one request at a time, and none during the pause, waits
 * to learn whether the database is back. Its first answer ends the outage and gives every tenant its allowance back.
 */
export function createLedger(options: LedgerOptions): Ledger {
  const { reserve, leases, bulkhead, spent, requestsPerTenant, outageMs, pauseMs, nowMs, onFailure } =
    options;
  const used = new Map<string, number>();
  let outage: { since: number; askAgainAt: number; asking: boolean } | undefined;

  /** What a lease holds is the tenant's: it is given back before the tenant is refused for the want of it. */
  async function reserveAll(reservation: Reservation, bounds: readonly Bound[]): Promise<ReserveResult> {
    const answer = await reserve(reservation, bounds);
    if (!answer.admitted && answer.scope === 'tenant' && (await leases.giveUp(reservation.tenant)))
      return reserve(reservation, bounds);
    return answer;
  }

  const leftAlone = (): boolean => outage !== undefined && (outage.asking || nowMs() < outage.askAgainAt);

  async function ask(reservation: Reservation, bounds: readonly Bound[]): Promise<LedgerAnswer> {
    // While this one waited for its turn, another may have found the database away.
    if (leftAlone()) return 'away';
    if (outage !== undefined) outage.asking = true;
    try {
      const answer = await reserveAll(reservation, bounds);
      outage = undefined;
      used.clear();
      if (answer.admitted) leases.want(reservation, bounds);
      else spent.note(reservation, bounds, answer);
      return answer;
    } catch (error) {
      onFailure(error);
      const now = nowMs();
      outage = { since: outage?.since ?? now, askAgainAt: now + pauseMs, asking: false };
      return 'lost';
    }
  }

  return {
    async reserve(reservation, bounds) {
      if (leftAlone()) return 'away';
      const refused = spent.find(reservation, bounds);
      if (refused !== undefined) return refused;
      const answer = await bulkhead.run(reservation.tenant, () => ask(reservation, bounds));
      return answer === 'full' ? 'busy' : answer;
    },
    away: () => outage !== undefined,
    takeAllowance(reservation, bounds) {
      if (outage === undefined || nowMs() - outage.since > outageMs) return undefined;
      // Of users and projects with bounds of their own nobody holds a part.
      if (isBounded(bounds.filter(({ scope }) => scope !== 'tenant'))) return undefined;
      if (isBounded(bounds)) {
        const lease = leases.spend(reservation);
        return lease === undefined ? undefined : { lease };
      }
      const count = used.get(reservation.tenant) ?? 0;
      if (count >= requestsPerTenant) return undefined;
      used.set(reservation.tenant, count + 1);
      return {};
    },
    retryAfterSeconds: () =>
      Math.max(1, Math.ceil(((outage?.askAgainAt ?? nowMs()) - nowMs() + pauseMs) / 1000)),
  };
}
