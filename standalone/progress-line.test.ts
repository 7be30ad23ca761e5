import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createMeter, duration, progressText } from './progress-line.ts';

describe('a progress line', () => {
  it('shows bytes, percentage, speed and what is left', () => {
    const progress = { phase: 'downloading' as const, bytes: 22_000_000, total: 88_000_000 };
    assert.equal(
      progressText('isnet', progress, 11_000_000),
      'isnet: downloading 22.0 of 88.0 MB (25 %), 11.0 MB/s, 6 s left',
    );
  });

  it('leaves out what is not known', () => {
    const progress = { phase: 'downloading' as const, bytes: 22_000_000, total: undefined };
    assert.equal(progressText('isnet', progress, undefined), 'isnet: downloading 22.0 MB');
    assert.equal(progressText('isnet', progress, 0), 'isnet: downloading 22.0 MB, 0.0 MB/s');
    assert.match(progressText('isnet', { ...progress, phase: 'waiting' }, 5), /another process/);
    assert.equal(
      progressText('isnet', { phase: 'verifying', bytes: 0, total: 0 }, undefined),
      'isnet: verifying 0.0 of 0.0 MB (100 %)',
    );
  });

  it('never says NaN, Infinity, or more than 100 %, whatever comes in', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(),
        fc.option(fc.double({ min: 0, noNaN: true }), { nil: undefined }),
        (a, b, speed) => {
          const text = progressText('x', { phase: 'downloading', bytes: Math.min(a, b), total: b }, speed);
          assert.doesNotMatch(text, /NaN/);
          assert.ok(Number(/\((\d+) %\)/.exec(text)?.[1]) <= 100);
        },
      ),
    );
  });

  it('measures the speed of the last seconds, not since the beginning', () => {
    const meter = createMeter();
    let at = 0;
    for (let second = 0; second < 10; second++) meter.speed(second * 1_000_000, (at = second * 1000));
    assert.equal(meter.speed(10_000_000, (at += 1000)), 1_000_000);
    // It stalls: after the window, nothing of the speed is left.
    let speed: number | undefined;
    for (let second = 0; second < 8; second++) speed = meter.speed(10_000_000, (at += 1000));
    assert.equal(speed, 0);
  });

  it('begins anew when a phase begins anew', () => {
    const meter = createMeter();
    meter.speed(50_000_000, 0);
    meter.speed(60_000_000, 1000);
    assert.equal(meter.speed(0, 1500), undefined);
    assert.equal(meter.speed(1_000_000, 2000), 2_000_000);
  });

  it('writes durations as people read them', () => {
    assert.deepEqual([0, 0.2, 59, 61, 3_700].map(duration), ['0 s', '1 s', '59 s', '1 min 1 s', '1 h 1 min']);
  });
});
