import { isIP } from 'node:net';

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

/** An address in words of 32 bits: one for IPv4, four for IPv6. */
type Words = readonly number[];

const ipv4Word = (text: string): number =>
  text.split('.').reduce((word, part) => ((word << 8) | Number(part)) >>> 0, 0);

/** Of an address that `isIP` knows. */
function wordsOf(address: string): Words {
  if (!address.includes(':')) return [ipv4Word(address)];
  // The last 32 bits may be written as an IPv4 address.
  const tail = /[\d.]*\.\d+$/.exec(address)?.[0];
  const word = tail === undefined ? 0 : ipv4Word(tail);
  const text =
    tail === undefined
      ? address
      : `${address.slice(0, -tail.length)}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
  const [left = '', right] = text.split('::');
  const groups = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => parseInt(group, 16));
  const head = groups(left);
  const end = groups(right);
  const all = [...head, ...Array.from({ length: 8 - head.length - end.length }, () => 0), ...end];
  return [0, 2, 4, 6].map((at) => (((all[at] ?? 0) << 16) | (all[at + 1] ?? 0)) >>> 0);
}

/** One request asks many sets about one address: it is read once. */
let lastRead: { text: string; words: Words | undefined } = { text: '', words: undefined };

function readAddress(text: string): Words | undefined {
  if (lastRead.text !== text) {
    const address = canonicalAddress(text);
    lastRead = { text, words: address === undefined ? undefined : wordsOf(address) };
  }
  return lastRead.words;
}

interface Block {
  words: Words;
  masks: Words;
}

function blockOf(cidr: string): Block[] {
  const parsed = parseCidr(cidr);
  if (parsed === undefined) return [];
  const words = wordsOf(parsed.address);
  const masks = words.map((_, index) => maskOf(parsed.prefix - 32 * index));
  return [{ words: words.map((word, index) => (word & (masks[index] ?? 0)) >>> 0), masks }];
}

function maskOf(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}

function isIn({ words, masks }: Block, address: Words): boolean {
  if (words.length !== address.length) return false;
  for (let index = 0; index < words.length; index++)
    if (((address[index] ?? 0) & (masks[index] ?? 0)) >>> 0 !== words[index]) return false;
  return true;
}

/** A CIDR that cannot be read matches nothing, so that an allow-list with a mistake in it stays a restriction. */
export function addressSet(cidrs: readonly string[]): AddressSet {
  const blocks = cidrs.flatMap(blockOf);
  return {
    size: cidrs.length,
    has(text) {
      const address = readAddress(text);
      return address !== undefined && blocks.some((block) => isIn(block, address));
    },
  };
}
