import type { AddressSet } from '../access/addresses.ts';
import { canonicalAddress } from '../access/addresses.ts';
import { type RawHeaders, valuesOf } from './headers.ts';

export interface ClientAddress {
  address: string;
  /** Whether the client's own connection was encrypted, as far as one who is trusted says so. */
  secure: boolean;
}

const MAX_HOPS = 32;

/**
 * Who the client is. From the right, each entry of X-Forwarded-For was written by the hop before it: walking leftwards
 * is safe as long as the hop that wrote the entry is a trusted proxy. Everything left of the first stranger is hearsay.
 */
export function clientAddress(
  socket: { remoteAddress: string | undefined; encrypted: boolean },
  headers: RawHeaders,
  trusted: AddressSet,
): ClientAddress {
  const peer = canonicalAddress(socket.remoteAddress ?? '') ?? '0.0.0.0';
  if (!trusted.has(peer)) return { address: peer, secure: socket.encrypted };
  const protocol = valuesOf(headers, 'x-forwarded-proto').at(-1)?.split(',').at(-1)?.trim().toLowerCase();
  const hops = valuesOf(headers, 'x-forwarded-for').join(',').split(',').slice(-MAX_HOPS);
  let address = peer;
  for (const hop of hops.reverse()) {
    const next = canonicalAddress(hop);
    if (next === undefined) break;
    address = next;
    if (!trusted.has(next)) break;
  }
  return { address, secure: socket.encrypted || protocol === 'https' };
}

/** Counts strangers by what one of them is given: an IPv4 address, or the /64 of an IPv6 one. */
export function addressBlock(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array.from({ length: zeros }, () => '0'), ...right].slice(0, 4).join(':');
}
