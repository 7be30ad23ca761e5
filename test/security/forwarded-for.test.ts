import { addressSet } from '../../control-plane/access/addresses.ts';
import { clientAddress } from '../../control-plane/gateway/client-address.ts';
import { stops } from './attack.ts';

/** The address that conditions on networks go by. */
type AddressOf = (peer: string, forwardedFor: string | undefined) => string;

const PROXY = '192.0.2.1';
const STRANGER = '203.0.113.9';
const INTRANET = '10.0.0.5';

/** The first entry is the client's, as the header's description says. */
const naive: AddressOf = (peer, forwardedFor) => forwardedFor?.split(',')[0]?.trim() ?? peer;

const ours: AddressOf = (peer, forwardedFor) =>
  clientAddress(
    { remoteAddress: peer, encrypted: false },
    forwardedFor === undefined ? [] : ['X-Forwarded-For', forwardedFor],
    addressSet([`${PROXY}/32`, '10.0.0.0/8']),
  ).address;

const targets = { naive: () => naive, ours: () => ours };
stops(
  'a stranger who says that he comes from the intranet',
  (addressOf: AddressOf) => addressOf(STRANGER, INTRANET) === INTRANET,
  targets,
);
stops(
  'a stranger who says so to a proxy, which adds where he comes from',
  (addressOf: AddressOf) => addressOf(PROXY, `${INTRANET}, ${STRANGER}`) === INTRANET,
  targets,
);
