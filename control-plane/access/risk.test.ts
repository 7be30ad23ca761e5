import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  LEARNING_MS,
  learn,
  newProfile,
  nightOf,
  type Observation,
  profile,
  type Profile,
  riskOf,
} from './risk.ts';

const DAY = 86_400_000;
const START = Date.parse('2026-03-02T04:00:00Z');
const usual: Observation = {
  at: START,
  network: 'office',
  device: 'laptop',
  night: false,
  secondFactor: false,
};
const later = (days: number, changes: Partial<Observation> = {}): Observation => ({
  ...usual,
  at: START + days * DAY,
  ...changes,
});
/** Two weeks at the office. */
const settled = (): Profile =>
  Array.from({ length: 14 }, (_, day) => later(day)).reduce(learn, newProfile(START));

describe('riskOf', () => {
  it('judges nobody in the first week, whatever they do', () => {
    const known = learn(newProfile(START), usual);
    const strange = { network: 'x', device: 'y', night: true };
    assert.equal(riskOf(known, { ...later(0, strange), at: START + LEARNING_MS - 1 }).level, 'usual');
    assert.equal(riskOf(known, { ...later(0, strange), at: START + LEARNING_MS }).level, 'high');
  });

  it('finds what is known usual, and adds up what is not', () => {
    const known = settled();
    const cases: [Partial<Observation>, string[], string][] = [
      [{}, [], 'usual'],
      [{ network: 'café' }, ['new-network'], 'usual'],
      [{ device: 'phone' }, ['new-device'], 'usual'],
      [{ network: 'café', night: true }, ['new-network', 'night-hours'], 'elevated'],
      [{ network: 'café', device: 'phone' }, ['new-network', 'new-device'], 'high'],
    ];
    for (const [changes, factors, level] of cases) {
      const risk = riskOf(known, later(14, changes));
      assert.deepEqual([risk.factors, risk.level], [factors, level]);
    }
  });

  it('lets a place be new for a day, and for no moment after a second factor', () => {
    const first = later(14, { network: 'home', device: 'phone' });
    const used = learn(settled(), first);
    assert.equal(riskOf(used, later(14.9, { network: 'home', device: 'phone' })).level, 'high');
    assert.equal(riskOf(used, later(15, { network: 'home', device: 'phone' })).level, 'usual');
    const proven = learn(settled(), { ...first, secondFactor: true });
    assert.equal(riskOf(proven, later(14.01, { network: 'home', device: 'phone' })).level, 'usual');
  });

  it('takes many times the requests of the busiest minute for unusual, and such a minute does not excuse itself', () => {
    let known = settled();
    const at = START + 14 * DAY;
    let unusual = 0;
    for (let index = 0; index < 100; index++) {
      const now = { ...usual, at: at + index };
      if (riskOf(known, now).factors.includes('unusual-rate')) unusual++;
      known = learn(known, now);
    }
    assert.equal(unusual, 41);
  });

  it('gets used to nights after three of them', () => {
    let known = settled();
    for (let night = 0; night < 3; night++) {
      assert.deepEqual(riskOf(known, later(14 + night, { night: true })).factors, ['night-hours']);
      for (let hour = 0; hour < 4; hour++)
        known = learn(known, later(14 + night + hour / 24, { night: true }));
    }
    assert.deepEqual(riskOf(known, later(17, { night: true })).factors, []);
  });

  it('remembers 32 places at most, and can be written down whatever was seen', () => {
    const hash = fc.stringMatching(/^[0-9a-f]{16}$/);
    const observations = fc.array(
      fc.record({
        at: fc.integer({ min: 0, max: 400 }).map((day) => START + day * DAY),
        network: hash,
        device: hash,
        night: fc.boolean(),
        secondFactor: fc.boolean(),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(observations, (all) => {
        const known = [...all].sort((a, b) => a.at - b.at).reduce(learn, newProfile(START));
        assert.ok(Object.keys(known.networks).length <= 32 && Object.keys(known.devices).length <= 32);
        assert.deepEqual(profile.parse(JSON.parse(JSON.stringify(known))), JSON.parse(JSON.stringify(known)));
        const { score } = riskOf(known, later(500));
        assert.ok(score >= 0 && score <= 100);
      }),
    );
  });

  it('is not read from habits whose places are no hashes', () => {
    assert.equal(profile.safeParse(settled()).success, false);
  });
});

describe('nightOf', () => {
  it('is from 22:00 to 06:00 of the zone, and never where there is no such zone', () => {
    const at = (time: string): number => Date.parse(`2026-03-02T${time}:00+08:00`);
    const isNight = nightOf('Asia/Shanghai');
    assert.deepEqual(
      ['21:59', '22:00', '03:00', '05:59', '06:00', '12:00'].map((time) => isNight(at(time))),
      [false, true, true, true, false, false],
    );
    assert.equal(nightOf('Mars/Olympus')(at('03:00')), false);
  });
});
