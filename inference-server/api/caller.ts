import type { IncomingMessage } from 'node:http';
import { type AssertionRefusal, verifyAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import type { Role } from '../../contracts/principal.ts';
import type { RequestError } from '../../foundation/errors.ts';
import { refusal } from '../messages.ts';
import type { GatewayKeys } from './keys.ts';
import type { ReplayCache } from './replay-cache.ts';

/** Who sent a request, by the gateway's word. */
export interface Caller {
  requestId: string;
  principal: string;
  role: Role;
}

export type Identify = (request: IncomingMessage) => Promise<Caller>;

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
    if (taken === 'full') throw refusal('too_many_requests_remembered', { retryAfter: 60 });
    return { requestId: jti, principal: principal.id, role: principal.role };
  };
}

function refused(reason: AssertionRefusal | 'replayed'): RequestError {
  return refusal(`assertion_${reason}`);
}

/** Everyone is the same caller: for a server bound to loopback, on a developer's machine. */
export function anyone(newId: () => string): Identify {
  return () => Promise.resolve({ requestId: newId(), principal: 'local', role: 'tenant-admin' });
}
