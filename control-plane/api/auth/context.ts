import type { Express, Request, RequestHandler } from 'express';
import type { JWTVerifyGetKey } from 'jose';
import {
  type AuthAssertionClaims,
  type AssertionRefusal,
  verifyAuthAssertion,
} from '../../../contracts/assertion.ts';
import { header } from '../../../contracts/headers.ts';
import { refusal, type RequestError } from '../../../foundation/errors.ts';
import type { ReplayCache } from '../../../foundation/replay-cache.ts';
import type { SlidingWindow } from '../../limits/sliding-window.ts';
import type { SessionIssuer } from '../../identity/sessions.ts';
import type { BaseContext } from '../routes/support.ts';
import type { RecheckContext } from './recheck.ts';

/** What every route of `/auth` is given. */
export interface AuthContext extends BaseContext, RecheckContext {
  sessions: SessionIssuer;
  /** Verifies the cookies that `sessions` makes. */
  sessionKeys: JWTVerifyGetKey;
  /** Password attempts by the name tried. */
  attempts: SlidingWindow;
  monotonicMs: () => number;
}

/** One file of `auth/` adds the routes of one way to sign in. */
export type AuthRoutes = (app: Express, context: AuthContext) => void;

const claimsOf = new WeakMap<Request, AuthAssertionClaims>();

/** `/auth/…` comes through the gateway alone, which says from where. */
export function requireAuthAssertion(
  keys: JWTVerifyGetKey,
  replays: ReplayCache,
  now: () => Date,
): RequestHandler {
  return async (request, _response, next) => {
    const result = await verifyAuthAssertion(
      request.get(header.assertion),
      { method: request.method, target: request.originalUrl },
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

/** From where the request comes, in the gateway's word. */
export function clientOf(request: Request): AuthAssertionClaims['client'] {
  const claims = claimsOf.get(request);
  if (claims === undefined) throw new Error('clientOf needs requireAuthAssertion before it');
  return claims.client;
}
