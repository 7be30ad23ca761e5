import type { IncomingMessage } from 'node:http';
import { header } from '../../contracts/headers.ts';
import { RequestError } from '../../foundation/errors.ts';
import { lookUpKey } from './authenticate.ts';
import { addressBlock } from './client-address.ts';
import { bound } from './config.ts';
import { setSessionCookie } from './cookies.ts';
import { isSameOrigin } from './edge.ts';
import type { Exchange, Gateway } from './exchange.ts';
import { rateLimitHeaders } from '../limits/headers.ts';
import { refusal, sentence } from './messages.ts';
import { valuesOf } from './headers.ts';
import { homePage, pageHeaders, signInPage } from './pages.ts';
import type { OwnAnswer } from './respond.ts';
import { signSession } from './session.ts';
import { canonicalTarget, routeOf } from './target.ts';

const MAX_FORM_BYTES = 8 * 1024;

function answer(
  exchange: Exchange,
  status: number,
  body: string,
  headers: Record<string, string>,
): OwnAnswer {
  return { status, body, headers: { ...headers, [header.requestId]: exchange.id } };
}

function onlyMethods(exchange: Exchange, ...allowed: string[]): void {
  if (!allowed.includes(exchange.method))
    throw refusal('method_not_allowed', { allowed: allowed.join(', ') }, { allow: allowed.join(', ') });
}

export function wantsHtml(exchange: Exchange): boolean {
  return valuesOf(exchange.rawHeaders, 'accept').join(',').toLowerCase().includes('text/html');
}

export function redirect(exchange: Exchange, status: 303 | 308, location: string): OwnAnswer {
  return answer(exchange, status, '', { location, 'cache-control': 'no-store' });
}

/** Whether the sign-in page helps: a browser asks for a page of a service and has no session, or an ended one. */
export function signInHelps(exchange: Exchange, error: unknown): boolean {
  return (
    error instanceof RequestError &&
    ['credentials_missing', 'session_invalid'].includes(error.code) &&
    exchange.method === 'GET' &&
    !exchange.upgrade &&
    exchange.route === 'service' &&
    wantsHtml(exchange)
  );
}

export function toSignIn(exchange: Exchange): OwnAnswer {
  return redirect(exchange, 303, `/auth/sign-in?next=${encodeURIComponent(exchange.target.raw)}`);
}

/** Where to go after signing in: a page of a service on this host, or the start page. Never elsewhere. */
export function safeNext(next: string | null | undefined): string {
  const target = next === null || next === undefined ? undefined : canonicalTarget(next);
  if (target === undefined) return '/';
  const { kind } = routeOf(target);
  return kind === 'service' || kind === 'service-root' ? target.raw : '/';
}

export function home(exchange: Exchange): OwnAnswer {
  onlyMethods(exchange, 'GET', 'HEAD');
  if (wantsHtml(exchange)) return answer(exchange, 200, homePage(exchange.language), pageHeaders);
  const about = { name: 'imageplane-gateway', services: '/s/{tenant}/{service}/', api: '/api/v1/' };
  return json(exchange, about);
}

export function healthz(exchange: Exchange): OwnAnswer {
  onlyMethods(exchange, 'GET', 'HEAD');
  return json(exchange, { alive: true });
}

function json(exchange: Exchange, body: unknown): OwnAnswer {
  return answer(exchange, 200, JSON.stringify(body), {
    'content-type': 'application/json; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
}

export async function signIn(
  gateway: Gateway,
  exchange: Exchange,
  request: IncomingMessage,
): Promise<OwnAnswer> {
  onlyMethods(exchange, 'GET', 'HEAD', 'POST');
  if (exchange.method !== 'POST') {
    const next = new URLSearchParams(exchange.target.query).get('next');
    return answer(exchange, 200, signInPage(exchange.language, safeNext(next)), pageHeaders);
  }
  exchange.action = 'sign-in';
  demandSameOrigin(exchange);
  takeSignInAttempt(gateway, exchange);
  const form = await readForm(request);
  const next = safeNext(form.get('next'));
  const policies = gateway.policies();
  if (policies === undefined) throw refusal('snapshot_stale', { retryAfter: 5 });
  try {
    const { id, principal } = lookUpKey((form.get('key') ?? '').trim(), policies, exchange.at);
    exchange.principal = principal.id;
    exchange.tenant = principal.tenant;
    exchange.resource = `key:${id}`;
    const token = await signSession({ principal: principal.id, keyId: id }, gateway.signingKey, exchange.at);
    const cookie = setSessionCookie(token, bound.sessionSeconds, exchange.client.secure);
    const moved = redirect(exchange, 303, next);
    return { ...moved, headers: { ...moved.headers, 'set-cookie': cookie } };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    exchange.refusedWith = error.code;
    const problem = sentence(error, exchange.language);
    return answer(exchange, error.status, signInPage(exchange.language, next, problem), pageHeaders);
  }
}

export function signOut(exchange: Exchange): OwnAnswer {
  onlyMethods(exchange, 'POST');
  exchange.action = 'sign-out';
  demandSameOrigin(exchange);
  const moved = redirect(exchange, 303, '/');
  return {
    ...moved,
    headers: { ...moved.headers, 'set-cookie': setSessionCookie('', 0, exchange.client.secure) },
  };
}

/** Nobody else's page signs a person in or out. */
function demandSameOrigin({ rawHeaders, host, client }: Exchange): void {
  if (!isSameOrigin(rawHeaders, host, client.secure, false)) throw refusal('cross_origin');
}

function takeSignInAttempt({ windows, monotonicMs }: Gateway, { client }: Exchange): void {
  const attempt = windows.signIn.take(addressBlock(client.address), bound.signIns, monotonicMs());
  if (attempt.admitted) return;
  const headers = rateLimitHeaders('sign-in', windows.signIn.windowMs, attempt);
  throw refusal(
    'rate_limited',
    { limit: bound.signIns, retryAfter: Number(headers['retry-after']) },
    headers,
  );
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) throw refusal('form_invalid');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!(chunk instanceof Buffer)) throw refusal('form_invalid');
    size += chunk.length;
    if (size > MAX_FORM_BYTES) throw refusal('form_invalid');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
