import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { API_AUDIENCE, signAssertion } from '../../contracts/assertion.ts';
import { header } from '../../contracts/headers.ts';
import type { Principal } from '../../contracts/principal.ts';
import type { ServiceRoute } from '../../contracts/snapshot.ts';
import { decide, type Resource, type ServiceConditions } from '../access/decide.ts';
import type { Action } from '../access/roles.ts';
import { type Admission, admit } from './admission.ts';
import { type Authenticated, authenticate, credentialOf } from './authenticate.ts';
import { bound } from './config.ts';
import { cookiesForService, scopedSetCookie } from './cookies.ts';
import { isSameOrigin } from './edge.ts';
import type { Endpoint } from './endpoints.ts';
import { audit, type Exchange, type Gateway, type Outcome } from './exchange.ts';
import { forward, type ForwardResult } from './forward.ts';
import { forwardedRequestHeaders, forwardedResponseHeaders, publicLocation, valuesOf } from './headers.ts';
import { refusal } from './messages.ts';
import type { Policies, TenantRules } from './policies.ts';
import type { Route } from './target.ts';
import { forwardUpgrade, type UpgradeResult } from './upgrade.ts';

type RoutedToService = Extract<Route, { kind: 'service' }>;

/** Where a request goes: a service, or the API. */
interface Destination {
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
  authenticated: Authenticated;
  destination: Destination;
  admission: Admission;
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

async function identify(
  gateway: Gateway,
  exchange: Exchange,
  acceptSession: boolean,
): Promise<{ policies: Policies; authenticated: Authenticated }> {
  const policies = gateway.policies();
  if (policies === undefined) {
    exchange.rule = 'snapshot';
    throw refusal('snapshot_stale', { retryAfter: 5 });
  }
  exchange.rule = 'authentication';
  const credential = credentialOf(exchange.rawHeaders, acceptSession);
  const authenticated = await authenticate(credential, policies, gateway.signingKey, exchange.at);
  exchange.principal = authenticated.principal.id;
  exchange.tenant = authenticated.principal.tenant;
  return { policies, authenticated };
}

/** Asks `decide`, and turns a no into an answer that tells a stranger nothing about another tenant. */
function demand(
  exchange: Exchange,
  principal: Principal,
  action: Action,
  resource: Resource,
  { tenant: rules, service }: { tenant: TenantRules | undefined; service?: ServiceConditions | undefined },
): TenantRules {
  exchange.action = action;
  exchange.resource = `${resource.kind}:${resource.tenant}${resource.name === undefined ? '' : `/${resource.name}`}`;
  const decision = decide(principal, action, resource, {
    address: exchange.client.address,
    tenant: rules,
    ...(service === undefined ? {} : { service }),
  });
  exchange.rule = decision.rule;
  if (decision.rule === 'tenant-isolation') throw refusal('service_not_found');
  if (!decision.allow || rules === undefined)
    throw refusal('access_denied', { rule: decision.rule, reason: decision.reason });
  return rules;
}

/** A service's call: authenticate, decide, check, limit, reserve. @throws RequestError */
export async function prepareServiceCall(
  gateway: Gateway,
  exchange: Exchange,
  route: RoutedToService,
): Promise<Call> {
  const { policies, authenticated } = await identify(gateway, exchange, true);
  const { principal, via } = authenticated;
  const service = policies.services.get(`${route.tenant}/${route.service}`);
  const safe = SAFE.has(exchange.method) && !exchange.upgrade;
  const action: Action = service?.engine === 'container' && safe ? 'view' : 'infer';
  const resource: Resource = { kind: 'service', tenant: route.tenant, name: route.service };
  const rules = demand(exchange, principal, action, resource, {
    tenant: policies.tenants.get(route.tenant),
    service: policies.conditions.get(`${route.tenant}/${route.service}`),
  });
  if (service === undefined) {
    exchange.rule = 'service-unknown';
    throw refusal('service_not_found');
  }
  if (via === 'session' && !(safe && action === 'view')) {
    if (!isSameOrigin(exchange.rawHeaders, exchange.host, exchange.client.secure, safe)) {
      exchange.rule = 'same-origin';
      throw refusal('cross_origin');
    }
  }
  const destination = destinationOf(service, route);
  checkDestination(exchange, destination, service.unavailable);
  exchange.allowed = true;
  const admission = await admit(gateway, exchange, principal, rules, { action, service: route.service });
  return { authenticated, destination, admission };
}

function destinationOf(
  service: ServiceRoute,
  { tenant, service: name, rest, prefix }: RoutedToService,
): Destination {
  return {
    endpoints: service.endpoints,
    audience: `${tenant}/${name}`,
    rest,
    prefix,
    pages: service.engine === 'container',
    maxBodyBytes: service.maxBodyBytes,
    timeoutMs: service.timeoutSeconds * 1000,
  };
}

/** What can be refused before anything is counted or charged. */
function checkDestination(
  exchange: Exchange,
  { endpoints, maxBodyBytes }: Destination,
  unavailable: string | undefined,
): void {
  const reason = unavailable ?? (endpoints.length === 0 ? 'No instance of it is running.' : undefined);
  if (reason !== undefined) {
    exchange.rule = 'service-unavailable';
    throw refusal('service_unavailable', { reason, retryAfter: 30 });
  }
  const [length] = valuesOf(exchange.rawHeaders, 'content-length');
  if (length !== undefined && Number(length) > maxBodyBytes) {
    exchange.rule = 'body-size';
    throw refusal('body_too_large', { limit: maxBodyBytes });
  }
}

/** A call of the API, which decides itself what the principal may do there. Browser sessions are not accepted. */
export async function prepareApiCall(gateway: Gateway, exchange: Exchange): Promise<Call> {
  const { policies, authenticated } = await identify(gateway, exchange, false);
  const { principal } = authenticated;
  const resource: Resource = { kind: 'api', tenant: principal.tenant };
  const rules = demand(exchange, principal, 'api:call', resource, {
    tenant: policies.tenants.get(principal.tenant),
  });
  const destination: Destination = {
    endpoints: [gateway.apiUrl],
    audience: API_AUDIENCE,
    rest: exchange.target.raw,
    pages: false,
    maxBodyBytes: bound.apiBody,
    timeoutMs: bound.apiTimeout,
  };
  checkDestination(exchange, destination, undefined);
  exchange.allowed = true;
  const admission = await admit(gateway, exchange, principal, rules, { action: 'api:call', service: '' });
  return { authenticated, destination, admission };
}

async function upstreamHeaders(
  gateway: Gateway,
  exchange: Exchange,
  { authenticated: { principal }, destination }: Call,
  endpoint: Endpoint,
  path: string,
): Promise<string[]> {
  const { id, client, host, method, rawHeaders } = exchange;
  const assertion = await signAssertion(
    { aud: destination.audience, jti: id, htm: method, htu: path, principal },
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
  { destination: { prefix, pages }, admission }: Call,
  endpoint: Endpoint,
): string[] {
  const headers = forwardedResponseHeaders(raw);
  if (prefix !== undefined && pages) {
    for (let index = 0; index < headers.length; index += 2)
      if (headers[index]?.toLowerCase() === 'location')
        headers[index + 1] = publicLocation(headers[index + 1] ?? '', prefix, endpoint.url);
    for (const cookie of valuesOf(raw, 'set-cookie')) {
      const scoped = scopedSetCookie(cookie, prefix);
      if (scoped !== undefined) headers.push('set-cookie', scoped);
    }
  }
  headers.push(header.requestId, exchange.id, ...Object.entries(admission.headers).flat());
  return headers;
}

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
    await admission.settle('failed');
    throw refusal('service_busy', { retryAfter: 2 });
  }
  const entry = { keyId: call.authenticated.keyId, abort: new AbortController() };
  open.add(entry);
  endpoint.open++;
  let startedMs = monotonicMs();
  let settling: Promise<void> | undefined;
  try {
    const path = endpoint.url.pathname.replace(/\/$/, '') + destination.rest;
    const common = {
      endpoint,
      path,
      headers: await upstreamHeaders(gateway, exchange, call, endpoint, path),
      timeoutMs: destination.timeoutMs,
      transfer: exchange.transfer,
      signal: entry.abort.signal,
      responseHeaders: (raw: string[]) => answerHeaders(raw, exchange, call, endpoint),
      onAnswer: (status: number, stream: boolean) => {
        // The end of a stream may be hours away; an answer with a known end is settled by how it ends.
        if (stream) settling = admission.settle(status < 400 ? 'succeeded' : 'failed');
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
            onStart: () => {
              exchange.reachedService = true;
              if (!connection.expectsContinue) return;
              connection.response.writeContinue();
              connection.onContinue();
            },
            beforeEnd: async (status) => {
              exchange.serviceMs = monotonicMs() - startedMs;
              await Promise.all([
                admission.settle(status < 400 ? 'succeeded' : 'failed'),
                audit(gateway, exchange, { status }),
              ]);
            },
          });
    if (result.kind === 'failed' && result.unreachable) endpoints.failed(endpoint);
    await settling;
    // A container reports no usage, so what it was given to do counts.
    const unanswered = result.kind === 'client-gone' && result.status === undefined;
    if (unanswered && exchange.reachedService && destination.pages) await admission.settle('succeeded');
    return await concludeCall(result, admission);
  } catch (error) {
    await admission.settle('failed');
    throw error;
  } finally {
    if (exchange.serviceMs === 0) exchange.serviceMs = monotonicMs() - startedMs;
    endpoint.open--;
    open.delete(entry);
  }
}

/** 2xx and 3xx are charged; 4xx, 5xx, and no answer at all are released. */
async function concludeCall(result: ForwardResult | UpgradeResult, admission: Admission): Promise<Outcome> {
  switch (result.kind) {
    case 'completed':
      await admission.settle(result.status < 400 ? 'succeeded' : 'failed');
      return { status: result.status };
    case 'broken':
      await admission.settle('failed');
      return { status: result.status, code: 'upstream_failed' };
    case 'client-gone':
      // Without an answer only the service knows whether it did the work: its usage event says so.
      if (result.status !== undefined) await admission.settle(result.status < 400 ? 'succeeded' : 'failed');
      return { status: 499 };
    case 'failed':
      await admission.settle('failed');
      throw result.error;
  }
}
