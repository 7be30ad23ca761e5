import { header } from '../../contracts/headers.ts';
import type { OwnAnswer } from './respond.ts';
import { type RawHeaders, valuesOf } from './headers.ts';

/** What pages of other origins may send, besides what every page may. */
const REQUEST_HEADERS = [
  'authorization',
  'content-type',
  'last-event-id',
  'x-api-key',
  'x-content-sha256',
  'x-nonce',
  'x-timestamp',
];
const EXPOSED = [header.requestId, 'ratelimit', 'ratelimit-policy', 'retry-after', 'www-authenticate'];
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const PREFLIGHT_SECONDS = 600;
/** Sent by a program or a script on purpose; no browser adds one by itself. */
const DELIBERATE = /^(?:Bearer|HMAC-SHA256) /i;

/** `none`: no page of another origin is in sight. `preflight` and `actual` are of one that is listed. */
export type Cors =
  | { kind: 'off' | 'none' }
  | { kind: 'preflight' | 'actual'; origin: string }
  /** A preflight of an origin that is not listed. */
  | { kind: 'refused' };

/**
 * What a request is to the same-origin policy (Fetch, CORS protocol). Only origins that are listed, letter by letter,
 * and only with credentials that a script sends on purpose: a request with a cookie gets nothing.
 */
export function corsOf(method: string, headers: RawHeaders, origins: ReadonlySet<string>): Cors {
  if (origins.size === 0) return { kind: 'off' };
  const [origin, second] = valuesOf(headers, 'origin');
  if (origin === undefined || second !== undefined) return { kind: 'none' };
  const listed = origins.has(origin);
  if (method === 'OPTIONS' && valuesOf(headers, 'access-control-request-method').length > 0)
    return listed ? { kind: 'preflight', origin } : { kind: 'refused' };
  const deliberate =
    valuesOf(headers, 'x-api-key').length > 0 ||
    valuesOf(headers, 'authorization').some((value) => DELIBERATE.test(value));
  const ambient = valuesOf(headers, 'cookie').length > 0;
  return listed && deliberate && !ambient ? { kind: 'actual', origin } : { kind: 'none' };
}

/** What every answer below `/s/` and `/api/` gets: never `Access-Control-Allow-Credentials`. */
export function corsHeaders(cors: Cors): [name: string, value: string][] {
  switch (cors.kind) {
    case 'off':
      return [];
    case 'none':
    case 'refused':
      return [['vary', 'origin']];
    case 'preflight':
      return [
        ['access-control-allow-origin', cors.origin],
        ['access-control-allow-methods', METHODS],
        ['access-control-allow-headers', REQUEST_HEADERS.join(', ')],
        ['access-control-max-age', String(PREFLIGHT_SECONDS)],
        ['vary', 'origin, access-control-request-method, access-control-request-headers'],
      ];
    case 'actual':
      return [
        ['access-control-allow-origin', cors.origin],
        ['access-control-expose-headers', EXPOSED.join(', ')],
        ['vary', 'origin'],
      ];
  }
}

/** The gateway's own answer with it. */
export function withCors(answer: OwnAnswer, cors: Cors): OwnAnswer {
  const headers = { ...answer.headers };
  for (const [name, value] of corsHeaders(cors)) {
    const already = headers[name];
    headers[name] = already === undefined ? value : `${already}, ${value}`;
  }
  return { ...answer, headers };
}
