import { BlockList, isIP } from 'node:net';

/** A set of IP addresses, described by CIDRs. */
export interface AddressSet {
  /** How many CIDRs described it, wrong ones included: a set of wrong CIDRs is not an empty list. */
  readonly size: number;
  has(address: string): boolean;
}

/**
 * The one spelling of an IP address: an IPv4 address mapped into IPv6 becomes IPv4, brackets and zones go.
 * Undefined when it is none.
 */
export function canonicalAddress(text: string): string | undefined {
  const bare = text
    .trim()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/%.*$/, '');
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare)?.[1] ?? bare;
  return isIP(mapped) === 0 ? undefined : mapped.toLowerCase();
}

/** `10.0.0.0/8`, `2001:db8::/32`, or one address. Undefined when it is neither. */
function parseCidr(text: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } | undefined {
  const match = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(text);
  const address = match?.[1];
  if (address === undefined) return undefined;
  const version = isIP(address);
  if (version === 0) return undefined;
  const bits = version === 4 ? 32 : 128;
  const prefix = match?.[2] === undefined ? bits : Number(match[2]);
  return prefix > bits ? undefined : { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}

export function isCidr(text: string): boolean {
  return parseCidr(text) !== undefined;
}

/** A CIDR that cannot be read matches nothing, so that an allow-list with a mistake in it stays a restriction. */
export function addressSet(cidrs: readonly string[]): AddressSet {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const parsed = parseCidr(cidr);
    if (parsed !== undefined) list.addSubnet(parsed.address, parsed.prefix, parsed.family);
  }
  return {
    size: cidrs.length,
    has(text) {
      const address = canonicalAddress(text);
      return address !== undefined && list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
    },
  };
}
