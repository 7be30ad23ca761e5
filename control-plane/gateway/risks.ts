import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { Logger } from '../../foundation/logger.ts';
import {
  learn,
  newProfile,
  type Observation,
  profile,
  type Profile,
  type Risk,
  riskOf,
} from '../access/risk.ts';
import { addressBlock } from './client-address.ts';

/** What is usual for whom, shared by gateways through the database. It is asked, never waited for. */
export interface Risks {
  /** How unusual this is for the principal; usual when its habits cannot be had in time. */
  assess(principal: string, observation: Observation): Promise<Risk>;
  /** The request was allowed, so its circumstances belong to the habits. */
  learn(principal: string, observation: Observation): void;
  /** True once an hour for each principal: the rest of a series is one incident. */
  alerts(principal: string, at: number): boolean;
  stop(): Promise<void>;
}

interface Habits {
  /** Undefined until it was read. */
  known: Profile | undefined;
  readAt: number;
  changed: boolean;
  alertedAt: number;
  reading: Promise<void> | undefined;
}

const USUAL: Risk = { score: 0, factors: [], level: 'usual' };
const MAX_PRINCIPALS = 20_000;
const PATIENCE_MS = 50;
const RETRY_MS = 5_000;
/** Something new may be known to another gateway: asked again, so often at most. */
const REREAD_MS = 60_000;
const TELL_MS = 30_000;
const MAX_TOLD = 500;
const HOUR_MS = 3_600_000;

/** Of the principal alone, so that nobody reads addresses out of the database. IPv4 by /24, IPv6 by /64. */
export function observationOf(
  principal: string,
  seen: { at: number; address: string; userAgent: string; night: boolean; secondFactor: boolean },
): Observation {
  const { at, night, secondFactor } = seen;
  const network = seen.address.includes(':')
    ? addressBlock(seen.address)
    : seen.address.replace(/\.\d+$/, '');
  const hash = (text: string): string =>
    createHash('sha256').update(`${principal}\0${text}`).digest('hex').slice(0, 16);
  return { at, night, secondFactor, network: hash(`n${network}`), device: hash(`d${seen.userAgent}`) };
}

export function startRisks(options: { pool: Pick<Pool, 'query'>; logger: Logger; now: () => number }): Risks {
  const { pool, logger, now } = options;
  const all = new Map<string, Habits>();
  let pausedUntil = 0;

  /** In order of use, so that the least used goes first. */
  function habitsOf(principal: string): Habits {
    const found = all.get(principal) ?? {
      known: undefined,
      readAt: -Infinity,
      changed: false,
      alertedAt: -Infinity,
      reading: undefined,
    };
    all.delete(principal);
    all.set(principal, found);
    const oldest = all.keys().next().value;
    if (all.size > MAX_PRINCIPALS && oldest !== undefined) all.delete(oldest);
    return found;
  }

  async function read(principal: string, habits: Habits): Promise<void> {
    try {
      const { rows } = await pool.query<{ profile: unknown }>(
        'SELECT imageplane.read_profile($1) AS profile',
        [principal],
      );
      const stored = profile.safeParse(rows[0]?.profile);
      habits.readAt = now();
      if (habits.known === undefined) habits.known = stored.success ? stored.data : newProfile(now());
      else if (stored.success) habits.known = merged(habits.known, stored.data);
    } catch (error) {
      pausedUntil = now() + RETRY_MS;
      logger.warn({ err: error }, 'habits could not be read; what is unusual is not judged meanwhile');
    }
  }

  async function inTime(principal: string, habits: Habits): Promise<void> {
    if (now() < pausedUntil) return;
    habits.reading ??= read(principal, habits).finally(() => {
      habits.reading = undefined;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([habits.reading, late]);
    clearTimeout(timer);
  }

  async function tell(): Promise<void> {
    const changed = [...all]
      .filter(([, habits]) => habits.changed && habits.known !== undefined)
      .slice(0, MAX_TOLD);
    if (changed.length === 0) return;
    for (const [, habits] of changed) habits.changed = false;
    try {
      await pool.query('SELECT imageplane.note_profiles($1::jsonb)', [
        JSON.stringify(changed.map(([principal, habits]) => ({ principal, profile: habits.known }))),
      ]);
    } catch (error) {
      for (const [, habits] of changed) habits.changed = true;
      logger.warn({ err: error }, 'habits could not be told; it will be tried again');
    }
  }

  const timer = setInterval(() => void tell(), TELL_MS);
  return {
    async assess(principal, observation) {
      const habits = habitsOf(principal);
      if (habits.known === undefined) await inTime(principal, habits);
      if (habits.known === undefined) return USUAL;
      const risk = riskOf(habits.known, observation);
      if (risk.factors.length === 0 || now() - habits.readAt < REREAD_MS) return risk;
      await inTime(principal, habits);
      return riskOf(habits.known, observation);
    },
    learn(principal, observation) {
      const habits = all.get(principal);
      if (habits?.known === undefined) return;
      habits.known = learn(habits.known, observation);
      habits.changed = true;
    },
    alerts(principal, at) {
      const habits = habitsOf(principal);
      if (at - habits.alertedAt < HOUR_MS) return false;
      habits.alertedAt = at;
      return true;
    },
    async stop() {
      clearInterval(timer);
      await tell();
    },
  };
}

/** What another gateway has learnt since, besides what this one has. */
function merged(own: Profile, stored: Profile): Profile {
  return {
    ...own,
    firstSeen: Math.min(own.firstSeen, stored.firstSeen),
    networks: { ...stored.networks, ...own.networks },
    devices: { ...stored.devices, ...own.devices },
    nights: Math.max(own.nights, stored.nights),
    ...(stored.peak > own.peak ? { peak: stored.peak, peakAt: stored.peakAt } : {}),
  };
}
