import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  base32,
  canonicalRecoveryCode,
  codeOfStep,
  fromBase32,
  matchingStep,
  newRecoveryCode,
  stepAt,
} from './totp.ts';

const secret = Buffer.from('12345678901234567890');
const at = (seconds: number): Date => new Date(seconds * 1000);

describe('a time-based code', () => {
  it('is that of RFC 4226, appendix D', () => {
    const expected = ['755224', '287082', '359152', '969429', '338314', '254676', '287922', '162583'];
    assert.deepEqual(
      expected.map((_, counter) => codeOfStep(secret, counter)),
      expected,
    );
  });

  it('is that of RFC 6238, appendix B, for SHA-1', () => {
    for (const [seconds, code] of [
      [59, '94287082'],
      [1_111_111_109, '07081804'],
      [1_111_111_111, '14050471'],
      [1_234_567_890, '89005924'],
      [2_000_000_000, '69279037'],
      [20_000_000_000, '65353130'],
    ] as const)
      assert.equal(codeOfStep(secret, stepAt(at(seconds)), 8), code);
  });

  it('is taken within a step of its time, and once', () => {
    const step = stepAt(at(1_000_000));
    const code = codeOfStep(secret, step);
    for (const drift of [-30, 0, 30])
      assert.equal(matchingStep(secret, code, 0, at(1_000_000 + drift)), step);
    for (const drift of [-70, 70])
      assert.equal(matchingStep(secret, code, 0, at(1_000_000 + drift)), undefined);
    assert.equal(matchingStep(secret, code, step, at(1_000_000)), undefined);
    for (const wrong of ['', '12345', `${code}0`, '０００００００'])
      assert.equal(matchingStep(secret, wrong, 0, at(1_000_000)), undefined);
  });
});

describe('base32', () => {
  it('is that of RFC 4648, without padding', () => {
    for (const [text, encoded] of [
      ['', ''],
      ['f', 'MY'],
      ['fo', 'MZXQ'],
      ['foo', 'MZXW6'],
      ['foobar', 'MZXW6YTBOI'],
    ] as const)
      assert.equal(base32(Buffer.from(text)), encoded);
  });

  it('gives back what went in, and refuses other letters', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        assert.deepEqual(fromBase32(base32(bytes)), Buffer.from(bytes));
      }),
    );
    assert.equal(fromBase32('MZXW6!'), undefined);
  });
});

describe('a recovery code', () => {
  it('has 80 random bits, and is known however it was typed', () => {
    const code = newRecoveryCode(randomBytes);
    assert.match(code, /^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$/);
    const letters = code.replaceAll('-', '');
    assert.equal(canonicalRecoveryCode(code.toLowerCase().replaceAll('-', ' ')), letters);
    assert.equal(canonicalRecoveryCode(letters.slice(1)), undefined);
    assert.equal(canonicalRecoveryCode('123456'), undefined);
  });
});
