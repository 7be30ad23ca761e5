import { signAuthAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import { rateLimitHeaders } from '../limits/headers.ts';
import { countSignIn } from './attempts.ts';
import { addressBlock } from './client-address.ts';
import { bound } from './config.ts';
import { ownCookies } from './cookies.ts';
import { isSameOrigin } from './edge.ts';
import type { Exchange, Gateway } from './exchange.ts';
import { forwardedRequestHeaders } from './headers.ts';
import { refusal } from './messages.ts';

const SAFE = new Set(['GET', 'HEAD']);
/** For programs, which have no cookie that another page could make use of. */
const TOKEN_PATH = '/auth/token';
const CALLBACK = /^\/auth\/providers\/[^/]+\/callback$/;

/**
 * What is demanded of a request to `/auth` before the API sees it: no other site's page signs a person in or out, and
 * nobody tries too often. @throws RequestError 403 cross_origin, 405, 429 rate_limited
 */
export function checkAuthRequest(gateway: Gateway, exchange: Exchange): void {
  const { method, target, host, client, rawHeaders } = exchange;
  const safe = SAFE.has(method);
  if (!safe && method !== 'POST')
    throw refusal('method_not_allowed', { allowed: 'GET, HEAD, POST' }, { allow: 'GET, HEAD, POST' });
  if (target.path === TOKEN_PATH) {
    takeFrom(gateway, `token:${addressBlock(client.address)}`, bound.tokenRequests);
    return;
  }
  if (!safe && !isSameOrigin(rawHeaders, host, client.secure, false)) throw refusal('cross_origin');
  if (!safe || CALLBACK.test(target.path)) countSignIn(gateway, exchange);
  else takeFrom(gateway, `auth:${addressBlock(client.address)}`, bound.viewsPerWindow);
}

function takeFrom({ windows, monotonicMs }: Gateway, key: string, limit: number): void {
  const answer = windows.signIn.take(key, limit, monotonicMs());
  if (answer.admitted) return;
  const headers = rateLimitHeaders('auth', windows.signIn.windowMs, answer);
  throw refusal('rate_limited', { limit, retryAfter: Number(headers['retry-after']) }, headers);
}

/** The request's headers as the API gets them: none of an identity, and of the cookies only the product's own. */
export function authRequestHeaders(
  gateway: Gateway,
  { id, client, host, method, rawHeaders, language }: Exchange,
  upstreamHost: string,
  path: string,
): string[] {
  const { address, secure } = client;
  const origin = `${secure ? 'https' : 'http'}://${host}`;
  const assertion = signAuthAssertion(
    { jti: id, htm: method, htu: path, client: { address, secure, origin, language } },
    gateway.signingKey,
    gateway.now(),
  );
  const cookies = ownCookies(rawHeaders);
  return [
    ...['host', upstreamHost],
    ...forwardedRequestHeaders(rawHeaders),
    ...(cookies === undefined ? [] : ['cookie', cookies]),
    ...[header.requestId, id],
    ...[header.assertion, assertion],
  ];
}
