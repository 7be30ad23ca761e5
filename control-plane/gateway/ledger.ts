import type { QuotaLimits, Reservation, ReserveResult } from '../quota/ledger.ts';

/** `lost`: it was asked and gave no answer, so that nobody knows whether it reserved. `away`: it was not asked. */
export type LedgerAnswer = ReserveResult | 'lost' | 'away';

export interface Ledger {
  reserve(reservation: Reservation, limits: QuotaLimits): Promise<LedgerAnswer>;
  away(): boolean;
  /** One of what a tenant may still use during this outage; false when it is used up. */
  takeAllowance(tenant: string): boolean;
  /** How long until it is worth asking again, at least 1. */
  retryAfterSeconds(): number;
}

export interface LedgerOptions {
  reserve: (reservation: Reservation, limits: QuotaLimits) => Promise<ReserveResult>;
  requestsPerTenant: number;
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
  const { reserve, requestsPerTenant, pauseMs, nowMs, onFailure } = options;
  const used = new Map<string, number>();
  let outage: { askAgainAt: number; asking: boolean } | undefined;

  return {
    async reserve(reservation, limits) {
      if (outage !== undefined) {
        if (outage.asking || nowMs() < outage.askAgainAt) return 'away';
        outage.asking = true;
      }
      try {
        const answer = await reserve(reservation, limits);
        outage = undefined;
        used.clear();
        return answer;
      } catch (error) {
        onFailure(error);
        outage = { askAgainAt: nowMs() + pauseMs, asking: false };
        return 'lost';
      }
    },
    away: () => outage !== undefined,
    takeAllowance(tenant) {
      const count = used.get(tenant) ?? 0;
      if (count >= requestsPerTenant) return false;
      used.set(tenant, count + 1);
      return true;
    },
    retryAfterSeconds: () =>
      Math.max(1, Math.ceil(((outage?.askAgainAt ?? nowMs()) - nowMs() + pauseMs) / 1000)),
  };
}
