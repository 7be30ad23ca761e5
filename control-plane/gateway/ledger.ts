import type { Reservation, ReserveResult } from '../quota/ledger.ts';
import { type Bound, isBounded } from '../quota/units.ts';
import type { QuotaLeases } from './quota-leases.ts';

/** `lost`: it was asked and gave no answer, so that nobody knows whether it reserved. `away`: it was not asked. */
export type LedgerAnswer = ReserveResult | 'lost' | 'away';

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
  const { reserve, leases, requestsPerTenant, outageMs, pauseMs, nowMs, onFailure } = options;
  const used = new Map<string, number>();
  let outage: { since: number; askAgainAt: number; asking: boolean } | undefined;

  /** What a lease holds is the tenant's: it is given back before the tenant is refused for the want of it. */
  async function reserveAll(reservation: Reservation, bounds: readonly Bound[]): Promise<ReserveResult> {
    const answer = await reserve(reservation, bounds);
    if (!answer.admitted && answer.scope === 'tenant' && (await leases.giveUp(reservation.tenant)))
      return reserve(reservation, bounds);
    return answer;
  }

  return {
    async reserve(reservation, bounds) {
      if (outage !== undefined) {
        if (outage.asking || nowMs() < outage.askAgainAt) return 'away';
        outage.asking = true;
      }
      try {
        const answer = await reserveAll(reservation, bounds);
        outage = undefined;
        used.clear();
        if (answer.admitted) leases.want(reservation, bounds);
        return answer;
      } catch (error) {
        onFailure(error);
        const now = nowMs();
        outage = { since: outage?.since ?? now, askAgainAt: now + pauseMs, asking: false };
        return 'lost';
      }
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
