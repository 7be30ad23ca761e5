import type { IncomingMessage } from 'node:http';
import { type AssertionRefusal, verifyAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import { RequestError } from '../../foundation/errors.ts';
import type { GatewayKeys } from './keys.ts';
import type { ReplayCache } from './replay-cache.ts';

/** Who sent a request, by the gateway's word. */
export interface Caller {
  requestId: string;
  principal: string;
}

export type Identify = (request: IncomingMessage) => Promise<Caller>;

const REFUSALS: Record<AssertionRefusal | 'replayed', string> = {
  missing: 'The request carries no assertion. Send it through the gateway.',
  invalid: "The assertion is not one of the gateway's.",
  expired: 'The assertion has expired. Send the request through the gateway again.',
  wrong_audience: 'The assertion is for another service.',
  wrong_request: 'The assertion is for another method, path or query.',
  replayed: 'The assertion was used before. Each request needs its own.',
};

/** The replay cache keeps an id a little longer than the verification tolerates a slow clock. */
const CLOCK_TOLERANCE_MS = 10_000;

/** Identifies by the assertion, and takes each assertion once. */
export function byAssertion(
  audience: string,
  keys: GatewayKeys,
  replays: ReplayCache,
  now: () => number,
): Identify {
  return async (request) => {
    const token = request.headers[header.assertion];
    const expected = { audience, method: request.method ?? '', target: request.url ?? '' };
    const verified = await verifyAssertion(
      Array.isArray(token) ? undefined : token,
      expected,
      keys.get,
      new Date(now()),
    );
    if (!verified.ok) throw refused(verified.reason);
    const { jti, exp, principal } = verified.claims;
    const taken = replays.take(jti, exp * 1000 + CLOCK_TOLERANCE_MS, now());
    if (taken === 'replayed') throw refused('replayed');
    if (taken === 'full')
      throw new RequestError(
        503,
        'too_many_requests_remembered',
        'This server has taken more requests in the last minute than it can tell apart. Try again in a minute.',
        { headers: { 'retry-after': '60' } },
      );
    return { requestId: jti, principal: principal.id };
  };
}

function refused(reason: keyof typeof REFUSALS): RequestError {
  return new RequestError(401, `assertion_${reason}`, REFUSALS[reason]);
}

/** Everyone is the same caller: for a server bound to loopback, on a developer's machine. */
export function anyone(newId: () => string): Identify {
  return () => Promise.resolve({ requestId: newId(), principal: 'local' });
}
