import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addressSet, canonicalAddress, isCidr } from './addresses.ts';

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

describe('addressSet', () => {
  it('holds exactly the IPv4 addresses whose leading bits agree with a CIDR', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, base, prefix) => {
        const size = 2 ** (32 - prefix);
        const expected = Math.floor(toNumber(address) / size) === Math.floor(toNumber(base) / size);
        assert.equal(addressSet([`${base}/${prefix}`]).has(address), expected);
        assert.equal(addressSet([`${base}/${prefix}`]).has(`::ffff:${address}`), expected);
      }),
    );
  });

  it('knows IPv6, single addresses, and keeps both families apart', () => {
    const set = addressSet(['2001:db8::/32', '10.1.2.3']);
    assert.deepEqual(
      ['2001:db8:1::1', '10.1.2.3', '10.1.2.4', '2001:db9::1', '[2001:db8::5]', 'fe80::1%eth0'].map((one) =>
        set.has(one),
      ),
      [true, true, false, false, true, false],
    );
  });

  it('agrees about IPv6, in every spelling, with the one that Node has', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.ipV6(), fc.integer({ min: 0, max: 128 }), (other, base, prefix) => {
        const list = new BlockList();
        list.addSubnet(base, prefix, 'ipv6');
        for (const address of [base, other]) {
          // Mapped IPv4 addresses are IPv4 addresses here, and Node sees both in them.
          fc.pre(canonicalAddress(address)?.includes(':') === true);
          assert.equal(addressSet([`${base}/${prefix}`]).has(address), list.check(address, 'ipv6'));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('stays a restriction when its only CIDR cannot be read', () => {
    const set = addressSet(['10.0.0.0/99']);
    assert.deepEqual([set.size, set.has('10.0.0.1')], [1, false]);
  });

  it('has nothing that is no address', () => {
    for (const text of ['', 'unknown', '10.0.0', '10.0.0.1:80', "' OR '1'='1"])
      assert.equal(addressSet(['0.0.0.0/0', '::/0']).has(text), false);
  });
});

describe('canonicalAddress', () => {
  it('gives one spelling for all of an address', () => {
    for (const text of ['::ffff:10.0.0.1', ' 10.0.0.1 ', '[::FFFF:10.0.0.1]'])
      assert.equal(canonicalAddress(text), '10.0.0.1');
  });
});

describe('isCidr', () => {
  it('accepts CIDRs and addresses only', () => {
    assert.deepEqual(
      ['10.0.0.0/8', '::1', '::/0', '10.0.0.0/33', '10/8', '10.0.0.0/-1', '10.0.0.0/8/8', 'x'].map(isCidr),
      [true, true, true, false, false, false, false, false],
    );
  });
});
