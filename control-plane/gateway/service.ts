import { API_AUDIENCE, AUTH_AUDIENCE } from '../../contracts/assertion.ts';
import type { ServiceRoute } from '../../contracts/snapshot.ts';
import type { Resource } from '../access/decide.ts';
import type { Action } from '../access/roles.ts';
import { ADMITTED, admit } from './admission.ts';
import { checkAuthRequest } from './auth-forward.ts';
import { type Authenticated, authenticate, isNewerSession } from './authenticate.ts';
import { bound } from './config.ts';
import { type Credential, credentialOf } from './credentials.ts';
import { countSignIn } from './attempts.ts';
import { demand } from './demand.ts';
import { isSameOrigin } from './edge.ts';
import type { Exchange, Gateway } from './exchange.ts';
import { valuesOf } from './headers.ts';
import { refusal } from './messages.ts';
import { EMPTY_SHA256 } from '../identity/signing/signature.ts';
import type { Policies } from './policies.ts';
import type { Call, Destination } from './serve-call.ts';
import type { SignedTarget } from './signatures.ts';
import type { Route } from './target.ts';

type RoutedToService = Extract<Route, { kind: 'service' }>;

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

async function identify(
  gateway: Gateway,
  exchange: Exchange,
  acceptSession: boolean,
  bodyLimit: (policies: Policies) => number,
): Promise<{ policies: Policies; authenticated: Authenticated; credential: Credential }> {
  const attempt = async (): Promise<{ policies: Policies; authenticated: Authenticated }> => {
    const policies = currentPolicies(gateway, exchange);
    const authenticated = await authenticate(credential, {
      policies,
      now: exchange.at,
      verifiers: gateway.verifiers,
      target: signedTarget(exchange, bodyLimit(policies)),
      clientAddress: exchange.client.address,
      countAttempt: () => {
        countSignIn(gateway, exchange);
      },
    });
    return { policies, authenticated };
  };
  const policies = currentPolicies(gateway, exchange);
  const credential = credentialOf(exchange.rawHeaders, acceptSession, exchange.client.secure);
  if (credential.kind === 'basic') demandNoForeignPage(exchange);
  const identified = await attempt().catch(async (error: unknown) => {
    // A browser that has just signed in is back before the news of it.
    if (credential.kind !== 'session' || !(await isNewerSession(credential.token, policies, exchange.at)))
      throw error;
    await gateway.refreshPolicies();
    return attempt();
  });
  const { principal, key } = identified.authenticated;
  exchange.principal = principal.id;
  exchange.tenant = principal.tenant;
  exchange.keyId = key?.id;
  return { ...identified, credential };
}

function currentPolicies(gateway: Gateway, exchange: Exchange): Policies {
  const policies = gateway.policies();
  exchange.rule = policies === undefined ? 'snapshot' : 'authentication';
  if (policies === undefined) throw refusal('snapshot_stale', { retryAfter: 5 });
  return policies;
}

/** Browsers send a password by themselves once they know it: then no other page may make them use it. */
function demandNoForeignPage({ rawHeaders, host, client, method }: Exchange): void {
  const fromPage = ['origin', 'sec-fetch-site'].some((name) => valuesOf(rawHeaders, name).length > 0);
  if (fromPage && !isSameOrigin(rawHeaders, host, client.secure, SAFE.has(method)))
    throw refusal('cross_origin');
}

/** What signatures are checked against: the body is read when one of them needs it. */
function signedTarget(exchange: Exchange, maxBodyBytes: number): SignedTarget {
  const { method, target, route } = exchange;
  return {
    method,
    path: target.path,
    query: target.query,
    toService: route === 'service',
    async body() {
      exchange.spooled ??= await exchange.readBody?.({ limit: maxBodyBytes, withinMs: bound.requestTimeout });
      return exchange.spooled;
    },
  };
}

/**
 * The native form signs the hash of a body: nobody gets the body before it is known to be that one. After everything
 * that can be refused without it. @throws RequestError 400 body_hash_wrong, 413
 */
async function checkSignedBody(
  exchange: Exchange,
  credential: Credential,
  maxBodyBytes: number,
): Promise<void> {
  if (credential.kind !== 'signature' || credential.signed.form !== 'native') return;
  const body = await signedTarget(exchange, maxBodyBytes).body();
  if ((body?.sha256 ?? EMPTY_SHA256) === credential.signed.bodySha256) return;
  exchange.rule = 'body-hash';
  throw refusal('body_hash_wrong');
}

/** A service's call: authenticate, decide, check, limit, reserve. @throws RequestError */
export async function prepareServiceCall(
  gateway: Gateway,
  exchange: Exchange,
  route: RoutedToService,
): Promise<Call> {
  const serviceIn = ({ services }: Policies): ServiceRoute | undefined =>
    services.get(`${route.tenant}/${route.service}`);
  const { policies, authenticated, credential } = await identify(
    gateway,
    exchange,
    true,
    (current) => serviceIn(current)?.maxBodyBytes ?? bound.apiBody,
  );
  const { principal, via } = authenticated;
  const service = serviceIn(policies);
  const safe = SAFE.has(exchange.method) && !exchange.upgrade;
  const action: Action = service?.engine === 'container' && safe ? 'view' : 'infer';
  const resource: Resource = { kind: 'service', tenant: route.tenant, name: route.service };
  const { rules, factor, holds } = await demand(gateway, exchange, {
    policies,
    authenticated,
    action,
    resource,
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
  await checkSignedBody(exchange, credential, destination.maxBodyBytes);
  exchange.allowed = true;
  const admission = await admit(gateway, exchange, principal, {
    policies,
    rules,
    factor,
    ...(action === 'infer' ? { service } : {}),
  });
  return { authenticated: { ...authenticated, holds }, destination, admission };
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
  const { policies, authenticated, credential } = await identify(
    gateway,
    exchange,
    false,
    () => bound.apiBody,
  );
  const { principal } = authenticated;
  const resource: Resource = { kind: 'api', tenant: principal.tenant };
  const asked = { policies, authenticated, action: 'api:call' as const, resource };
  const { rules, factor, holds } = await demand(gateway, exchange, asked);
  const destination: Destination = {
    endpoints: [gateway.apiUrl],
    audience: API_AUDIENCE,
    rest: exchange.target.raw,
    pages: false,
    maxBodyBytes: bound.apiBody,
    timeoutMs: bound.apiTimeout,
  };
  checkDestination(exchange, destination, undefined);
  await checkSignedBody(exchange, credential, destination.maxBodyBytes);
  exchange.allowed = true;
  const admission = await admit(gateway, exchange, principal, { policies, rules, factor });
  try {
    await readSmallBody(exchange, destination);
  } catch (error) {
    admission.release();
    throw error;
  }
  return { authenticated: { ...authenticated, holds }, destination, admission };
}

/** Signing in and out, which the API does: nobody is known yet, so the address is what is bounded. @throws RequestError */
export async function prepareAuthCall(gateway: Gateway, exchange: Exchange): Promise<Call> {
  exchange.action = 'auth';
  exchange.rule = 'auth';
  checkAuthRequest(gateway, exchange);
  const destination: Destination = {
    endpoints: [gateway.apiUrl],
    audience: AUTH_AUDIENCE,
    rest: exchange.target.raw,
    pages: false,
    maxBodyBytes: bound.authBody,
    timeoutMs: bound.apiTimeout,
  };
  checkDestination(exchange, destination, undefined);
  await readSmallBody(exchange, destination);
  return { authenticated: undefined, destination, admission: ADMITTED };
}

/** All of it, before it has a place at the API: who sends slowly shall wait here, and in nobody's way. */
async function readSmallBody(exchange: Exchange, { maxBodyBytes }: Destination): Promise<void> {
  exchange.spooled ??= await exchange.readBody?.({ limit: maxBodyBytes, withinMs: bound.apiBodyTime });
}
