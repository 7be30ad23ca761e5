import type { TenantPolicy } from '../../contracts/snapshot.ts';
import { z } from 'zod';
import { weekClock } from './time-windows.ts';

/** What unusual circumstances lead to, and when it is night for the tenant. */
export interface RiskRules {
  action: TenantPolicy['access']['risk']['action'];
  isNight: (at: number) => boolean;
}

const DAY_MINUTES = 24 * 60;
const NIGHT = { from: 22 * 60, to: 6 * 60 };

/** From 22:00 to 06:00 there; a zone that does not exist has no night. */
export function nightOf(timeZone: string): RiskRules['isNight'] {
  const clock = weekClock(timeZone);
  if (clock === undefined) return () => false;
  return (at) => {
    const minute = clock(at) % DAY_MINUTES;
    return minute >= NIGHT.from || minute < NIGHT.to;
  };
}

/** By hash: no name of a property that every object has, such as `__proto__`. */
const seen = z.record(
  z.string().regex(/^[0-9a-f]{16}$/),
  z.strictObject({
    /** Milliseconds since the epoch. */
    first: z.number(),
    last: z.number(),
    /** Used after a second factor: it is known, however new. */
    sure: z.boolean(),
  }),
);

/** What is usual for a principal. Networks and devices are named by hashes. */
export const profile = z.strictObject({
  firstSeen: z.number(),
  networks: seen,
  devices: seen,
  /** Days with requests at night. */
  nights: z.number(),
  lastNight: z.number(),
  /** Requests in its busiest minute, which fades by half in a month. */
  peak: z.number(),
  peakAt: z.number(),
  /** Requests in the minute of `minute`. */
  minute: z.number(),
  count: z.number(),
});
export type Profile = z.infer<typeof profile>;
type Seen = Profile['networks'];

export interface Observation {
  /** Milliseconds since the epoch. */
  at: number;
  network: string;
  device: string;
  night: boolean;
  secondFactor: boolean;
}

export type RiskFactor = 'new-network' | 'new-device' | 'unusual-rate' | 'night-hours';

export interface Risk {
  /** From 0 to 100. */
  score: number;
  factors: RiskFactor[];
  level: 'usual' | 'elevated' | 'high';
}

const POINTS: Record<RiskFactor, number> = {
  'new-network': 35,
  'new-device': 25,
  'unusual-rate': 25,
  'night-hours': 15,
};
const ELEVATED = 40;
const HIGH = 60;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Before that nobody can say what is usual. */
export const LEARNING_MS = 7 * DAY_MS;
/** A place that is used for so long without objection is no longer new. */
const NEW_MS = DAY_MS;
/** Forgotten when they were not seen for so long. */
const KEPT_MS = 180 * DAY_MS;
const MAX_SEEN = 32;
/** Nights after which nights are usual. */
const USUAL_NIGHTS = 3;
/** A minute is unusual with so many times the requests of the busiest one before, and at least so many. */
const UNUSUAL = { times: 5, least: 60 };
const PEAK_HALF_LIFE_MS = 30 * DAY_MS;

export function newProfile(at: number): Profile {
  return {
    firstSeen: at,
    networks: {},
    devices: {},
    nights: 0,
    lastNight: 0,
    peak: 0,
    peakAt: at,
    minute: 0,
    count: 0,
  };
}

/** How unusual a request is for whoever makes it: 0 while its habits are still being learnt. Pure. */
export function riskOf(known: Profile, observation: Observation): Risk {
  const { at, network, device, night } = observation;
  if (at - known.firstSeen < LEARNING_MS) return { score: 0, factors: [], level: 'usual' };
  const factors: RiskFactor[] = [];
  if (isNew(known.networks[network], at)) factors.push('new-network');
  if (isNew(known.devices[device], at)) factors.push('new-device');
  if (countOf(known, at) + 1 >= Math.max(UNUSUAL.least, UNUSUAL.times * peakOf(known, at)))
    factors.push('unusual-rate');
  if (night && known.nights < USUAL_NIGHTS) factors.push('night-hours');
  const score = factors.reduce((sum, factor) => sum + POINTS[factor], 0);
  return { score, factors, level: score >= HIGH ? 'high' : score >= ELEVATED ? 'elevated' : 'usual' };
}

function isNew(entry: Seen[string] | undefined, at: number): boolean {
  return entry === undefined || (!entry.sure && at - entry.first < NEW_MS);
}

const minuteOf = (at: number): number => Math.floor(at / MINUTE_MS);
const countOf = ({ minute, count }: Profile, at: number): number => (minute === minuteOf(at) ? count : 0);
const peakOf = ({ peak, peakAt }: Profile, at: number): number =>
  peak * 0.5 ** (Math.max(0, at - peakAt) / PEAK_HALF_LIFE_MS);

/** The profile after a request that was allowed. One that is refused teaches nothing. Pure. */
export function learn(known: Profile, observation: Observation): Profile {
  const { at, network, device, night, secondFactor } = observation;
  const minute = minuteOf(at);
  const count = countOf(known, at) + 1;
  // A minute counts as usual only when it is over: it must not excuse itself.
  const over = known.minute !== minute ? known.count : 0;
  const peak = peakOf(known, at);
  const raised = over > peak;
  const newNight = night && at - known.lastNight > DAY_MS / 2;
  return {
    firstSeen: known.firstSeen,
    networks: remember(known.networks, network, at, secondFactor),
    devices: remember(known.devices, device, at, secondFactor),
    nights: known.nights + (newNight ? 1 : 0),
    lastNight: newNight ? at : known.lastNight,
    peak: raised ? over : known.peak,
    peakAt: raised ? at : known.peakAt,
    minute,
    count,
  };
}

function remember(known: Seen, name: string, at: number, sure: boolean): Seen {
  const before = known[name];
  if (before !== undefined && (before.sure || !sure)) {
    return { ...known, [name]: { ...before, last: at } };
  }
  const kept = Object.entries(known)
    .filter(([other, { last }]) => other !== name && at - last < KEPT_MS)
    .sort(([, a], [, b]) => b.last - a.last)
    .slice(0, MAX_SEEN - 1);
  return Object.fromEntries([
    [name, { first: before?.first ?? at, last: at, sure: sure || (before?.sure ?? false) }],
    ...kept,
  ]);
}
