/** A request target in its one accepted spelling; `raw` is what is forwarded, byte for byte. */
export interface Target {
  raw: string;
  path: string;
  /** With its question mark; empty when there is none. */
  query: string;
}

/** RFC 3986: unreserved, sub-delims without `;`, `:`, `@`, well-formed percent-encoding, and the slash. */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9A-Fa-f]{2})*$/;
const QUERY = /^[\x21\x22\x24-\x7e]*$/;
/** Encoded slash, backslash, dot, and control characters, also under a second layer of encoding. */
const DECEPTIVE = /%(?:25)*(?:2f|5c|2e|7f|[01][0-9a-f])/i;
const MAX_LENGTH = 8_192;

/**
 * Reads a request target, or says that its path has more than one reading: what was decided on and what the service
 * makes of it could differ. Forwarding the same bytes keeps both the same.
 */
export function canonicalTarget(raw: string): Target | undefined {
  if (raw.length > MAX_LENGTH) return undefined;
  const mark = raw.indexOf('?');
  const path = mark === -1 ? raw : raw.slice(0, mark);
  const query = mark === -1 ? '' : raw.slice(mark);
  if (!PATH.test(path) || !QUERY.test(query) || path.includes('//') || DECEPTIVE.test(path)) return undefined;
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) return undefined;
  return isUtf8(path) ? { raw, path, query } : undefined;
}

/** Overlong and broken sequences are another way to hide a slash. */
function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const SERVICE_PATH = new RegExp(`^/s/(${LABEL})/(${LABEL})(/.*)?$`);

export type Route =
  | { kind: 'service'; tenant: string; service: string; prefix: string; rest: string }
  /** The bare service, without the slash that relative links need. */
  | { kind: 'service-root'; location: string }
  | { kind: 'unknown-service' }
  | { kind: 'api' }
  | { kind: 'home' }
  | { kind: 'healthz' }
  | { kind: 'auth' }
  | { kind: 'none' };

export function routeOf({ path, query }: Target): Route {
  const service = SERVICE_PATH.exec(path);
  if (service?.[1] !== undefined && service[2] !== undefined) {
    const [, tenant, name, rest] = service;
    if (rest === undefined) return { kind: 'service-root', location: `${path}/${query}` };
    return { kind: 'service', tenant, service: name, prefix: `/s/${tenant}/${name}`, rest: rest + query };
  }
  if (path.startsWith('/s/')) return { kind: 'unknown-service' };
  if (path.startsWith('/api/')) return { kind: 'api' };
  if (path.startsWith('/auth/')) return { kind: 'auth' };
  const fixed: Record<string, Route['kind'] & ('home' | 'healthz')> = {
    '/': 'home',
    '/healthz': 'healthz',
  };
  const kind = Object.hasOwn(fixed, path) ? fixed[path] : undefined;
  return { kind: kind ?? 'none' };
}
