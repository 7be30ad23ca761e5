import { LEASE_SECONDS, type Reservation, type ReserveResult } from '../quota/ledger.ts';
import { type Amounts, type Bound, NOTHING, units } from '../quota/units.ts';

/** A gateway holds at most this part of any bound of a tenant in advance. */
const PART = 20;
/** A lease is not spent when the database might already have given it back. */
const MARGIN_MS = 60_000;
/** A lease that nobody wanted for so long is given back. */
const IDLE_MS = 600_000;
const RETRY_MS = 60_000;

export interface QuotaLeases {
  /** The tenant is being served: it shall have a lease, if it has bounds. Never waits, never throws. */
  want(reservation: Reservation, bounds: readonly Bound[]): void;
  /** Takes it from the tenant's lease; gives which that was, or undefined when it does not hold so much. */
  spend(reservation: Reservation): string | undefined;
  /** Gives a lease of which nothing was spent back to the ledger, and takes no other today. Whether there was one. @throws */
  giveUp(tenant: string): Promise<boolean>;
  /** Keeps those that are in use. @throws when the database does not answer. */
  renew(): Promise<void>;
  /** Gives all back, as settlements on the disk. */
  close(): Promise<void>;
}

export interface QuotaLeaseOptions {
  reserve: (reservation: Reservation, bounds: readonly Bound[]) => Promise<ReserveResult>;
  /** Gives those that were still there. */
  renew: (ids: readonly string[]) => Promise<string[]>;
  /** At once. */
  release: (id: string) => Promise<void>;
  /** After all that was settled before. */
  releaseLater: (id: string) => Promise<void>;
  /** The most requests of a lease. */
  requests: number;
  /** Monotonic. */
  nowMs: () => number;
  now: () => Date;
  newId: () => string;
  onFailure: (error: unknown) => void;
}

interface Lease {
  id: string;
  /** The day in UTC whose quota it is of. */
  day: string;
  whole: Amounts;
  left: Amounts;
  expiresAtMs: number;
  wantedAtMs: number;
}

/**
 * Parts of tenants' quotas that this gateway holds in advance, so that it can go on for a while when the ledger is away
 * and yet no quota is ever exceeded: what it spends then was reserved before. A gateway that dies leaves its leases to
 * expire, as any reservation does.
 */
export function createQuotaLeases(options: QuotaLeaseOptions): QuotaLeases {
  const { reserve, renew, release, releaseLater, requests, nowMs, now, newId, onFailure } = options;
  const leases = new Map<string, Lease>();
  /** When each tenant may be asked for again. */
  const pauses = new Map<string, number>();
  const today = (): string => now().toISOString().slice(0, 10);

  async function replace(
    reservation: Reservation,
    bounds: readonly Bound[],
    old: Lease | undefined,
  ): Promise<void> {
    const { tenant } = reservation;
    leases.delete(tenant);
    if (old !== undefined) await releaseLater(old.id);
    const whole = leaseOf(reservation, bounds, requests);
    if (whole === undefined) return;
    const id = newId();
    const day = today();
    const askedAt = nowMs();
    const lease = { ...whole, id, tenant, project: '', service: '', principal: '' };
    const answer = await reserve(
      lease,
      bounds.filter(({ scope }) => scope === 'tenant'),
    ).catch(async (error: unknown) => {
      // The database may have reserved it and only failed to say so.
      await releaseLater(id);
      throw error;
    });
    if (!answer.admitted) return;
    pauses.delete(tenant);
    leases.set(tenant, {
      id,
      day,
      whole,
      left: { ...whole },
      expiresAtMs: askedAt + LEASE_SECONDS * 1000 - MARGIN_MS,
      wantedAtMs: askedAt,
    });
  }

  const isSpent = ({ left, whole }: Lease): boolean => left.requests * 2 < whole.requests;

  return {
    want(reservation, bounds) {
      const { tenant } = reservation;
      const lease = leases.get(tenant);
      if (lease !== undefined) lease.wantedAtMs = nowMs();
      const good = lease?.day === today() && !isSpent(lease) && nowMs() < lease.expiresAtMs;
      if (good || nowMs() < (pauses.get(tenant) ?? 0)) return;
      if (leaseOf(reservation, bounds, requests) === undefined) return;
      // Whatever comes of it, nobody asks again meanwhile.
      pauses.set(tenant, nowMs() + RETRY_MS);
      replace(reservation, bounds, lease).catch(onFailure);
    },
    spend(reservation) {
      const lease = leases.get(reservation.tenant);
      if (lease === undefined || lease.day !== today() || nowMs() >= lease.expiresAtMs) return undefined;
      if (units.some((unit) => lease.left[unit] < reservation[unit])) return undefined;
      for (const unit of units) lease.left[unit] -= reservation[unit];
      return lease.id;
    },
    async giveUp(tenant) {
      const lease = leases.get(tenant);
      if (lease === undefined || units.some((unit) => lease.left[unit] < lease.whole[unit])) return false;
      leases.delete(tenant);
      pauses.set(tenant, nowMs() + RETRY_MS);
      await release(lease.id);
      return true;
    },
    async renew() {
      for (const [tenant, lease] of leases)
        if (lease.day !== today() || nowMs() - lease.wantedAtMs > IDLE_MS) {
          leases.delete(tenant);
          await releaseLater(lease.id);
        }
      for (const [tenant, until] of pauses) if (until <= nowMs()) pauses.delete(tenant);
      if (leases.size === 0) return;
      const askedAt = nowMs();
      const asked = [...leases];
      const kept = new Set(await renew(asked.map(([, { id }]) => id)));
      for (const [tenant, lease] of asked)
        if (kept.has(lease.id)) lease.expiresAtMs = askedAt + LEASE_SECONDS * 1000 - MARGIN_MS;
        else if (leases.get(tenant) === lease) leases.delete(tenant);
    },
    async close() {
      await Promise.all([...leases.values()].map(({ id }) => releaseLater(id)));
      leases.clear();
    },
  };
}

/** So many requests like this one as fit into the part; undefined when nothing is bounded, or not even one does. */
function leaseOf(like: Amounts, bounds: readonly Bound[], most: number): Amounts | undefined {
  let count = most;
  let bounded = false;
  const whole = { ...NOTHING };
  for (const bound of bounds.filter(({ scope }) => scope === 'tenant'))
    for (const unit of units) {
      const limit = bound[unit] ?? 0;
      if (limit === 0 || like[unit] === 0) continue;
      bounded = true;
      count = Math.min(count, Math.floor(limit / PART / like[unit]));
    }
  if (!bounded || count < 1) return undefined;
  for (const unit of units) whole[unit] = count * like[unit];
  return whole;
}
