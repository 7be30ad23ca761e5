import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addressSet } from '../access/addresses.ts';
import { addressBlock, clientAddress } from './client-address.ts';

const proxies = addressSet(['10.0.0.0/8', 'fd00::/8']);
const from = (
  remoteAddress: string,
  forwarded: string[],
  trusted = proxies,
): ReturnType<typeof clientAddress> =>
  clientAddress(
    { remoteAddress, encrypted: false },
    [...forwarded.flatMap((value) => ['X-Forwarded-For', value]), 'X-Forwarded-Proto', 'https'],
    trusted,
  );

describe('clientAddress', () => {
  it('believes nobody by default, whatever the headers say', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.array(fc.oneof(fc.ipV4(), fc.string())), (peer, forwarded) => {
        assert.deepEqual(from(peer, forwarded, addressSet([])), { address: peer, secure: false });
      }),
    );
  });

  it('takes the rightmost address that no trusted proxy has, so that nothing a client writes matters', () => {
    const outside = fc.ipV4().filter((address) => !proxies.has(address));
    const inside = fc.integer({ min: 0, max: 255 }).map((last) => `10.0.0.${last}`);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.ipV4())),
        outside,
        fc.array(inside),
        (lies, client, hops) => {
          const clean = lies.map((lie) => lie.replace(/[^\x20-\x7e]/g, ''));
          const { address, secure } = from('10.9.9.9', [...clean, [client, ...hops].join(', ')]);
          assert.deepEqual([address, secure], [client, true]);
        },
      ),
    );
  });

  it('stops at what is no address, and at the nearest it knows', () => {
    assert.equal(from('10.0.0.1', ['1.2.3.4, unknown, 10.0.0.2']).address, '10.0.0.2');
    assert.equal(from('10.0.0.1', ['']).address, '10.0.0.1');
    assert.equal(from('::ffff:10.0.0.1', ['2001:db8::1, fd00::2']).address, '2001:db8::1');
  });
});

describe('addressBlock', () => {
  it('counts IPv6 clients by their /64', () => {
    assert.equal(addressBlock('192.0.2.1'), '192.0.2.1');
    assert.equal(addressBlock('2001:db8:0:1:a:b:c:d'), '2001:db8:0:1');
    assert.equal(addressBlock('2001:db8::1'), '2001:db8:0:0');
    assert.equal(addressBlock('::1'), '0:0:0:0');
  });
});
