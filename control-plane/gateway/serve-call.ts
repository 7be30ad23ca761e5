import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { API_AUDIENCE, AUTH_AUDIENCE, signAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import type { Admission } from './admission.ts';
import { authRequestHeaders } from './auth-forward.ts';
import type { Authenticated } from './authenticate.ts';
import { mayCompress } from './compress.ts';
import { cookiesForService, scopedSetCookie } from './cookies.ts';
import { corsHeaders } from './cors.ts';
import { circumstancesOf } from './demand.ts';
import type { Endpoint } from './endpoints.ts';
import { audit, type Exchange, type Gateway, type Outcome } from './exchange.ts';
import { forward, type ForwardResult } from './forward.ts';
import { forwardedRequestHeaders, forwardedResponseHeaders, publicLocation, valuesOf } from './headers.ts';
import { refusal } from './messages.ts';
import { forwardUpgrade, type UpgradeResult } from './upgrade.ts';

/** Where a request goes: a service, or the API. */
export interface Destination {
  endpoints: string[];
  audience: string;
  /** Path and query below the endpoint. */
  rest: string;
  /** Prefix under which clients know it; absent for the API. */
  prefix?: string;
  /** Whether it is an application with pages: it gets the caller's identity as plain headers too. */
  pages: boolean;
  maxBodyBytes: number;
  timeoutMs: number;
}

/** An admitted request, ready to be forwarded. */
export interface Call {
  /** Absent for `/auth`, where nobody is known yet. */
  authenticated: Authenticated | undefined;
  destination: Destination;
  admission: Admission;
}

function upstreamHeaders(
  gateway: Gateway,
  exchange: Exchange,
  { authenticated, destination }: Call,
  endpoint: Endpoint,
  path: string,
): string[] {
  if (authenticated === undefined) return authRequestHeaders(gateway, exchange, endpoint.url.host, path);
  const { principal, key } = authenticated;
  const limited = key?.actions === undefined ? principal : { ...principal, actions: key.actions };
  const { id, client, host, method, rawHeaders } = exchange;
  const assertion = signAssertion(
    {
      ...{ aud: destination.audience, jti: id, htm: method, htu: path, principal: limited },
      ...(destination.audience === API_AUDIENCE ? circumstancesOf(exchange, authenticated) : {}),
    },
    gateway.signingKey,
    gateway.now(),
  );
  const cookies = cookiesForService(rawHeaders);
  const encoded = (text: string): string => encodeURIComponent(text.toWellFormed());
  return [
    // An application with pages compares this with the Origin that browsers send.
    ...['host', destination.pages ? host : endpoint.url.host],
    ...forwardedRequestHeaders(rawHeaders),
    ...(cookies === undefined || !destination.pages ? [] : ['cookie', cookies]),
    ...[header.requestId, id],
    ...[header.assertion, assertion],
    ...(destination.audience === API_AUDIENCE ? [header.degraded, gateway.away().join(', ')] : []),
    ...['x-forwarded-for', client.address],
    ...['x-forwarded-proto', client.secure ? 'https' : 'http'],
    ...['x-forwarded-host', host],
    ...(destination.prefix === undefined ? [] : ['x-forwarded-prefix', destination.prefix]),
    ...(destination.pages
      ? [
          ...[header.userId, encoded(principal.id)],
          ...[header.userName, encoded(principal.name)],
          ...[header.department, encoded(principal.department)],
        ]
      : []),
  ];
}

/** The service's headers as the client may see them, with the gateway's own. */
function answerHeaders(
  raw: string[],
  exchange: Exchange,
  { authenticated, destination: { prefix, pages }, admission }: Call,
  endpoint: Endpoint,
): string[] {
  const headers = forwardedResponseHeaders(raw);
  if (authenticated === undefined)
    for (const cookie of valuesOf(raw, 'set-cookie')) headers.push('set-cookie', cookie);
  if (prefix !== undefined && pages) {
    for (let index = 0; index < headers.length; index += 2)
      if (headers[index]?.toLowerCase() === 'location')
        headers[index + 1] = publicLocation(headers[index + 1] ?? '', prefix, endpoint.url);
    for (const cookie of valuesOf(raw, 'set-cookie')) {
      const scoped = scopedSetCookie(cookie, prefix);
      if (scoped !== undefined) headers.push('set-cookie', scoped);
    }
  }
  headers.push(
    ...[header.requestId, exchange.id],
    ...Object.entries(admission.headers).flat(),
    ...corsHeaders(exchange.cors).flat(),
  );
  return headers;
}

/** Pages of `/auth` hold what is used once, beside what their URL says: they are left as they are. */
function compresses({ rawHeaders }: Exchange, { authenticated }: Call): boolean {
  if (authenticated === undefined) return false;
  return mayCompress(rawHeaders, authenticated.via === 'session' || authenticated.via === 'basic');
}

/** Where the API answers, whose absence is no fault of the caller's services. */
const OURS: ReadonlySet<string> = new Set([API_AUDIENCE, AUTH_AUDIENCE]);

export type Connection =
  | {
      kind: 'http';
      request: IncomingMessage;
      response: ServerResponse;
      expectsContinue: boolean;
      /** `100 Continue` was sent. */
      onContinue: () => void;
    }
  | { kind: 'upgrade'; socket: Duplex; head: Buffer };

/** Forwards an admitted call and settles it. @throws RequestError when nothing has been answered. */
export async function serveCall(
  gateway: Gateway,
  exchange: Exchange,
  call: Call,
  connection: Connection,
): Promise<Outcome> {
  const { endpoints, open, monotonicMs } = gateway;
  const { destination, admission } = call;
  const endpoint = endpoints.pick(destination.endpoints);
  if (endpoint === undefined) {
    admission.release();
    await admission.settle('failed');
    throw refusal('service_busy', { retryAfter: 2 });
  }
  const holds = call.authenticated?.holds ?? (() => true);
  const entry = { holds, abort: new AbortController() };
  open.add(entry);
  endpoint.open++;
  let startedMs = monotonicMs();
  let settling: Promise<void> | undefined;
  /** 2xx and 3xx are charged; 4xx, 5xx, and no answer at all are released. */
  const settle = (status: number): Promise<void> =>
    admission.settle(status < 400 ? 'succeeded' : 'failed', monotonicMs() - startedMs);
  try {
    const path = endpoint.url.pathname.replace(/\/$/, '') + destination.rest;
    const common = {
      endpoint,
      path,
      headers: upstreamHeaders(gateway, exchange, call, endpoint, path),
      timeoutMs: destination.timeoutMs,
      transfer: exchange.transfer,
      signal: entry.abort.signal,
      responseHeaders: (raw: string[]) => answerHeaders(raw, exchange, call, endpoint),
      onAnswer: (status: number, stream: boolean) => {
        // The end of a stream may be hours away; an answer with a known end is settled by how it ends.
        if (stream) settling = settle(status);
      },
    };
    startedMs = monotonicMs();
    const result =
      connection.kind === 'upgrade'
        ? await forwardUpgrade({ ...common, ...connection })
        : await forward({
            ...common,
            ...connection,
            maxBodyBytes: destination.maxBodyBytes,
            spooled: exchange.spooled,
            compress: compresses(exchange, call),
            onStart: () => {
              exchange.reachedService = true;
              if (!connection.expectsContinue || exchange.spooled !== undefined) return;
              connection.response.writeContinue();
              connection.onContinue();
            },
            beforeEnd: async (status) => {
              exchange.serviceMs = monotonicMs() - startedMs;
              await Promise.all([settle(status), audit(gateway, exchange, { status })]);
            },
          });
    if (result.kind === 'failed' && result.unreachable) endpoints.failed(endpoint);
    await settling;
    // A container reports no usage, so what it was given to do counts.
    const unanswered = result.kind === 'client-gone' && result.status === undefined;
    if (unanswered && exchange.reachedService && destination.pages) await settle(200);
    return await concludeCall(result, call, settle);
  } catch (error) {
    await admission.settle('failed');
    throw error;
  } finally {
    if (exchange.serviceMs === 0) exchange.serviceMs = monotonicMs() - startedMs;
    admission.release();
    endpoint.open--;
    open.delete(entry);
  }
}

async function concludeCall(
  result: ForwardResult | UpgradeResult,
  { destination, admission }: Call,
  settle: (status: number) => Promise<void>,
): Promise<Outcome> {
  switch (result.kind) {
    case 'completed':
      await settle(result.status);
      return { status: result.status };
    case 'broken':
      await admission.settle('failed');
      return { status: result.status, code: 'upstream_failed' };
    case 'client-gone':
      // Without an answer only the service knows whether it did the work: its usage event says so.
      if (result.status !== undefined) await settle(result.status);
      return { status: 499 };
    case 'failed':
      await admission.settle('failed');
      if (result.unreachable && OURS.has(destination.audience))
        throw refusal('api_unavailable', { retryAfter: 5 });
      throw result.error;
  }
}
