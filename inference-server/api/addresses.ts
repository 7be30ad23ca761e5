import { BlockList, isIP } from 'node:net';

/** Networks that are not the public Internet (IANA's special-purpose registries), or lead to others in disguise. */
const IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
];
/**
 * Of IPv6 only 2000::/3 is handed out. Within it: Teredo, benchmarking, ORCHID, 6to4 and documentation. Outside of it
 * are loopback, unique local, link-local and multicast, and with NAT64 and IPv4-mapped those that hold an IPv4 address.
 */
const IPV6 = ['::/3', '4000::/2', '8000::/1', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}

const ipv4 = listOf(IPV4);
const ipv6 = listOf(IPV6);

/** Says of an address whether pictures may be fetched from it: public ones, and the networks that are allowed. */
export function addressFilter(allowed: readonly string[]): (address: string) => boolean {
  const exceptions = listOf(allowed);
  return (address) => {
    const [bare = ''] = address.split('%');
    const version = isIP(bare);
    if (version === 0) return false;
    // Lists of Node look at an IPv4-mapped address as at the IPv4 address that it holds.
    if (exceptions.check(bare, version === 6 ? 'ipv6' : 'ipv4')) return true;
    return version === 6 ? !ipv6.check(bare, 'ipv6') : !ipv4.check(bare, 'ipv4');
  };
}
