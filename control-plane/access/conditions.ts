import type { Conditions } from '../../contracts/access.ts';
import { type AddressSet, addressSet } from './addresses.ts';
import { compileWindows, type TimeWindows } from './time-windows.ts';

/** Where, when and how a request is made. */
export interface Circumstances {
  /** Milliseconds since the epoch. */
  at: number;
  /** The client's IP address. */
  address: string;
  /** Whether whoever acts has shown a second factor. An API key is one factor. */
  secondFactor: boolean;
  /** The API key that the request rests on, where it rests on one; `createdAt` in milliseconds, where it is known. */
  key?: { createdAt: number | undefined } | undefined;
}

/** Conditions made ready for asking; what is absent holds. */
export interface CompiledConditions {
  /** The address must be in each: an empty one holds nobody's. */
  addressSets: readonly AddressSet[];
  timeWindows?: TimeWindows | undefined;
  secondFactor: boolean;
  maxKeyAgeDays?: number | undefined;
}

export type ConditionName = 'addresses' | 'time-windows' | 'second-factor' | 'key-age';

const DAY_MS = 86_400_000;

/** `intranet`: the addresses of the tenant's own network; none, and the condition holds for nobody. */
export function compileConditions(
  conditions: Conditions | undefined,
  intranet: AddressSet,
): CompiledConditions | undefined {
  if (conditions === undefined) return undefined;
  const { allowedCidrs, intranetOnly, timeWindows, secondFactor, maxKeyAgeDays } = conditions;
  return {
    addressSets: [
      ...(allowedCidrs === undefined ? [] : [addressSet(allowedCidrs)]),
      ...(intranetOnly === true ? [intranet] : []),
    ],
    timeWindows: timeWindows === undefined ? undefined : compileWindows(timeWindows),
    secondFactor: secondFactor === true,
    maxKeyAgeDays,
  };
}

/** The first condition that does not hold; undefined when all do. */
export function unmetCondition(
  conditions: CompiledConditions,
  circumstances: Circumstances,
): ConditionName | undefined {
  const { addressSets, timeWindows, secondFactor, maxKeyAgeDays } = conditions;
  const { at, address, key } = circumstances;
  for (const set of addressSets) if (!set.has(address)) return 'addresses';
  if (timeWindows !== undefined && !timeWindows(at)) return 'time-windows';
  if (maxKeyAgeDays !== undefined && key !== undefined && !isYounger(key, maxKeyAgeDays, at))
    return 'key-age';
  return secondFactor && !circumstances.secondFactor ? 'second-factor' : undefined;
}

/** A key whose age nobody knows is too old. */
function isYounger({ createdAt }: { createdAt: number | undefined }, days: number, at: number): boolean {
  return createdAt !== undefined && at - createdAt < days * DAY_MS;
}

/** Whether the methods of authentication (RFC 8176) are two factors: what one knows and what one has or is. */
export function hasSecondFactor(amr: readonly string[]): boolean {
  const has = (...methods: string[]): boolean => methods.some((method) => amr.includes(method));
  return (
    has('mfa') ||
    (has('pwd', 'pin', 'kba') && has('otp', 'hwk', 'swk', 'sc', 'sms', 'tel', 'fpt', 'face', 'iris'))
  );
}
