import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { addressFilter } from './addresses.ts';

const filter = addressFilter([]);

describe('the filter of addresses', () => {
  it('lets public addresses through', () => {
    for (const address of ['1.1.1.1', '8.8.8.8', '172.32.0.1', '2606:4700::1', '2a00:1450::1'])
      assert.ok(filter(address), address);
  });

  it('keeps from every network that is not the public Internet, and from disguises of such', () => {
    for (const address of [
      '0.0.0.0',
      '10.0.0.1',
      '100.64.0.1',
      '127.0.0.1',
      '169.254.169.254',
      '172.16.0.1',
      '192.168.1.1',
      '198.18.0.1',
      '224.0.0.1',
      '255.255.255.255',
      '::',
      '::1',
      'fe80::1',
      'fe80::1%eth0',
      'fc00::1',
      'fd00:ec2::254',
      'ff02::1',
      '::ffff:10.0.0.1',
      '::ffff:1.1.1.1',
      '64:ff9b::7f00:1',
      '64:ff9b:1::1',
      '2002:7f00:1::',
      '2001:0:1::',
      '2001:db8::1',
      '::7f00:1',
      'example.org',
      '',
    ])
      assert.ok(!filter(address), address);
  });

  it('lets through what is allowed besides, and nothing around it', () => {
    const some = addressFilter(['10.1.0.0/16', 'fd00::/8']);
    assert.ok(some('10.1.2.3') && some('fd12::1'));
    assert.ok(!some('10.2.0.1') && !some('fe80::1'));
  });

  it('knows no IPv6 form of a private IPv4 address that it lets through', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(fc.constantFrom('10', '127', '0'), byte, byte, byte, (a, b, c, d) => {
        const hex = [Number(a), b, c, d].map((part) => part.toString(16).padStart(2, '0'));
        const [high, low] = [`${hex[0]}${hex[1]}`, `${hex[2]}${hex[3]}`];
        for (const form of [
          `::ffff:${high}:${low}`,
          `64:ff9b::${high}:${low}`,
          `2002:${high}:${low}::1`,
          `::${high}:${low}`,
        ])
          assert.ok(!filter(form), form);
      }),
    );
  });
});
