import type { Request, RequestHandler } from 'express';
import type { JWTVerifyGetKey } from 'jose';
import {
  API_AUDIENCE,
  type AssertionClaims,
  type AssertionRefusal,
  verifyAssertion,
} from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import { refusal, type RequestError } from '../../foundation/errors.ts';
import type { ReplayCache } from '../../foundation/replay-cache.ts';

/** What `requireAssertion` found out. */
export const claimsOf = new WeakMap<Request, AssertionClaims>();

/** Every request comes through the gateway, which says who makes it; without its word nothing is answered. */
export function requireAssertion(
  keys: JWTVerifyGetKey,
  replays: ReplayCache,
  now: () => Date,
): RequestHandler {
  return async (request, _response, next) => {
    const result = await verifyAssertion(
      request.get(header.assertion),
      { audience: API_AUDIENCE, method: request.method, target: request.originalUrl },
      keys,
      now(),
    );
    const refused = (reason: AssertionRefusal | 'replayed'): RequestError => refusal(`assertion_${reason}`);
    if (!result.ok) throw refused(result.reason);
    const remembered = replays.remember(result.claims.jti, new Date((result.claims.exp + 5) * 1000));
    if (remembered === 'replayed') throw refused('replayed');
    if (remembered === 'full') throw refusal('overloaded', { retryAfter: 2 });
    claimsOf.set(request, result.claims);
    next();
  };
}

/** Who makes the request, and under which id. */
export function callerOf(request: Request): AssertionClaims {
  const claims = claimsOf.get(request);
  if (claims === undefined) throw new Error('callerOf needs requireAssertion before it');
  return claims;
}
