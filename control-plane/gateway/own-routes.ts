import { header } from '../../contracts/headers.ts';
import { RequestError } from '../../foundation/errors.ts';
import type { Exchange } from './exchange.ts';
import { refusal } from './messages.ts';
import { valuesOf } from './headers.ts';
import { pageHeaders } from '../../foundation/page.ts';
import { homePage } from './pages.ts';
import { type OwnAnswer, ownHeaders } from './respond.ts';

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

/** Whether a person reads the answer: scripts on pages, and programs, do not ask for HTML. */
export function wantsPage(exchange: Exchange): boolean {
  const accept = valuesOf(exchange.rawHeaders, 'accept').join(',').toLowerCase();
  return (
    exchange.method === 'GET' &&
    !exchange.upgrade &&
    wantsHtml(exchange) &&
    !accept.includes('application/json')
  );
}

export function redirect(exchange: Exchange, status: 303 | 308, location: string): OwnAnswer {
  return answer(exchange, status, '', { location, ...ownHeaders });
}

export function noContent(exchange: Exchange): OwnAnswer {
  return answer(exchange, 204, '', ownHeaders);
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
    ...ownHeaders,
  });
}
