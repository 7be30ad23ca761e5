import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { usageOf } from './usage-status.ts';

describe('usage in the status of a Tenant', () => {
  it('is in whole numbers, rounded down, for the day and the month in UTC', () => {
    const now = new Date('2026-12-31T23:30:00-02:00');
    const counters = { month: { requests: 3, megapixels: 7.9, steps: 0, computeSeconds: 0.99 } };
    assert.deepEqual(usageOf(counters, now), {
      day: { period: '2027-01-01', requests: 0, megapixels: 0, computeSeconds: 0 },
      month: { period: '2027-01', requests: 3, megapixels: 7, computeSeconds: 0 },
      observedAt: now.toISOString(),
    });
  });
});
