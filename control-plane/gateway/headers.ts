import { header } from '../../contracts/headers.ts';

/** Headers as Node and undici give and take them: name, value, name, value. Order and repetition are kept. */
export type RawHeaders = readonly string[];

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Set by the gateway from what it knows, or not at all. */
const OURS = new Set([
  'host',
  'content-length',
  'expect',
  'authorization',
  'x-api-key',
  'forwarded',
  'x-real-ip',
  'x-request-id',
  'x-correlation-id',
  'x-client-ip',
  'x-cluster-client-ip',
  'client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'x-host',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-rewrite-url',
  'x-email',
  'x-groups',
  'x-roles',
  'x-role',
  'x-tenant',
  'via',
]);
/** Ours, and those by which other products tell a service who somebody is or how they came. */
const OUR_PREFIXES = [
  'x-user',
  'x-username',
  'x-preferred-username',
  'x-webauth-',
  'x-goog-authenticated-',
  'x-goog-iap-',
  'x-ms-client-principal',
  'x-ms-token-',
  'x-amzn-oidc-',
  'x-oidc-',
  'x-sso-',
  'x-token-',
  'x-jwt-',
  'x-proxy-',
  'x-scheme',
  'x-forwarded',
  'front-end-https',
  'tailscale-',
  'cf-access-',
  'x-department',
  'x-imageplane-',
  'x-original-',
  'x-auth-',
  'x-authenticated-',
  'x-remote-',
  'x-envoy-',
  'x-tenant-',
  'x-client-cert',
  'x-ssl-',
  'ssl-client-',
  'remote-',
  'proxy-',
];

/** Some servers drop what stands between the words, and so are names compared. */
const spellingOf = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');
const WHOLE = new Set([...HOP_BY_HOP, ...OURS].map(spellingOf));
const PREFIXES = OUR_PREFIXES.map(spellingOf);

/** Whether a header is the gateway's to set, in whatever spelling a server behind might read as the same name. */
export function isReserved(name: string): boolean {
  const spelled = spellingOf(name);
  return WHOLE.has(spelled) || PREFIXES.some((prefix) => spelled.startsWith(prefix));
}

export function* pairs(raw: RawHeaders): Generator<[name: string, value: string]> {
  for (let index = 0; index + 1 < raw.length; index += 2) yield [raw[index] ?? '', raw[index + 1] ?? ''];
}

/** Every value of a header, in order; Node's own view drops some repetitions and joins others. */
export function valuesOf(raw: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (const [candidate, value] of pairs(raw)) if (candidate.toLowerCase() === name) values.push(value);
  return values;
}

/** Names that a `Connection` header declares to concern this connection only. */
function declaredHopByHop(raw: RawHeaders): Set<string> {
  return new Set(
    valuesOf(raw, 'connection').flatMap((value) => value.split(',').map((name) => name.trim().toLowerCase())),
  );
}

/**
 * What of a client's headers goes on to the service. Names with anything but letters, digits and hyphens are not
 * forwarded at all: a server that follows CGI cannot tell `x_user_id` from `x-user-id`. Cookies are the caller's part.
 */
export function forwardedRequestHeaders(raw: RawHeaders): string[] {
  const declared = declaredHopByHop(raw);
  const kept: string[] = [];
  for (const [name, value] of pairs(raw)) {
    const lower = name.toLowerCase();
    if (!/^[a-z0-9-]+$/.test(lower) || lower === 'cookie') continue;
    if (!isReserved(lower) && !declared.has(lower)) kept.push(name, value);
  }
  return kept;
}

/** A service shares its origin with all others: it may not speak for the whole of it, nor for the gateway. */
const NOT_FROM_SERVICES = new Set([
  header.requestId,
  'ratelimit',
  'ratelimit-policy',
  'service-worker-allowed',
  'clear-site-data',
  'strict-transport-security',
  'alt-svc',
  'public-key-pins',
  'origin-agent-cluster',
  'proxy-authenticate',
  'set-cookie',
]);

/** Which pages may read an answer is the gateway's to say: every service shares the cookie's origin. */
const NOT_FROM_SERVICES_PREFIXES = ['x-imageplane-', 'access-control-'];

/** What of a service's headers goes back to the client. `Set-Cookie` is the caller's part. */
export function forwardedResponseHeaders(raw: RawHeaders): string[] {
  const declared = declaredHopByHop(raw);
  const kept: string[] = [];
  for (const [name, value] of pairs(raw)) {
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || NOT_FROM_SERVICES.has(lower) || declared.has(lower)) continue;
    if (NOT_FROM_SERVICES_PREFIXES.some((prefix) => lower.startsWith(prefix))) continue;
    kept.push(name, value);
  }
  return kept;
}

/** A redirect of a service that does not know its prefix is brought back under it. */
export function publicLocation(location: string, prefix: string, upstream: URL): string {
  const base = upstream.pathname.replace(/\/$/, '');
  let path = location;
  if (location === upstream.origin || location.startsWith(`${upstream.origin}/`))
    path = location.slice(upstream.origin.length) || '/';
  if (!path.startsWith('/') || path.startsWith('//')) return location;
  if (path === prefix || path.startsWith(`${prefix}/`)) return path;
  return prefix + (base !== '' && path.startsWith(`${base}/`) ? path.slice(base.length) : path);
}
