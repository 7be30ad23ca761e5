import type { AddressSet } from '../access/addresses.ts';
import { containsApiKey } from '../identity/api-key.ts';
import { type ClientAddress, clientAddress } from './client-address.ts';
import { bound } from './config.ts';
import { type RawHeaders, valuesOf } from './headers.ts';
import { type Language, preferredLanguage } from '../../foundation/language.ts';
import { refusal } from './messages.ts';
import { canonicalTarget, type Target } from './target.ts';

/** What arrived, as Node read it. */
export interface Arrival {
  method: string;
  url: string;
  rawHeaders: RawHeaders;
  remoteAddress: string | undefined;
  encrypted: boolean;
}

/** What is known of a request before anything is decided about it. */
export interface Caller {
  client: ClientAddress;
  language: Language;
}

export function callerOf(arrival: Arrival, trusted: AddressSet): Caller {
  return {
    client: clientAddress(arrival, arrival.rawHeaders, trusted),
    language: preferredLanguage(valuesOf(arrival.rawHeaders, 'accept-language')[0]),
  };
}

export const ALLOWED_METHODS: readonly string[] = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
];

/**
 * The hygiene of the edge: nothing that can be read in two ways gets further.
 * Node's parser counts header fields on the wire that it does not show when there is a cap of its own; with the cap
 * off and ours here, what is counted is what is seen (CVE-2026-58044).
 * @throws RequestError
 */
export function inspect(arrival: Arrival, hosts: ReadonlySet<string>): { target: Target; host: string } {
  const { method, url, rawHeaders } = arrival;
  if (rawHeaders.length / 2 > bound.headerCount)
    throw refusal('too_many_headers', { limit: bound.headerCount });
  if (!ALLOWED_METHODS.includes(method))
    throw refusal(
      'method_not_allowed',
      { allowed: ALLOWED_METHODS.join(', ') },
      { allow: ALLOWED_METHODS.join(', ') },
    );
  const host = allowedHost(valuesOf(rawHeaders, 'host'), hosts);
  if (containsApiKey(url)) throw refusal('key_in_url');
  const target = canonicalTarget(url);
  if (target === undefined) throw refusal('path_not_canonical');
  return { target, host };
}

function allowedHost(given: string[], hosts: ReadonlySet<string>): string {
  const [host] = given;
  if (host === undefined || given.length > 1) throw refusal('host_missing');
  const name = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(host)?.[1]?.toLowerCase();
  if (name === undefined || !(hosts.has(name) || hosts.has(name.replace(/^\[|\]$/g, ''))))
    throw refusal('host_not_allowed');
  return host.toLowerCase();
}

/** The path for logs and audit: no query, no key, printable, and short. */
export function pathForRecords(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? '';
  if (containsApiKey(path)) return '[removed]';
  return path.replace(/[^\x21-\x7e]/g, '?').slice(0, 1_024);
}

/**
 * Whether the browser says that a page of this very origin makes the request. `Origin` comes with every unsafe method
 * and every WebSocket; for a plain GET its place is taken by `Sec-Fetch-Site`.
 */
export function isSameOrigin(
  headers: RawHeaders,
  host: string,
  secure: boolean,
  safeMethod: boolean,
): boolean {
  const origins = valuesOf(headers, 'origin');
  if (origins.length > 0)
    return origins.length === 1 && origins[0]?.toLowerCase() === `${secure ? 'https' : 'http'}://${host}`;
  return safeMethod && ['same-origin', 'none'].includes(valuesOf(headers, 'sec-fetch-site')[0] ?? '');
}
