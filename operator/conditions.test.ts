import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { conditionsOf, failureVerdict, type Verdict } from './conditions.ts';

const now = () => new Date('2026-11-24T12:00:00.123Z');
const later = () => new Date('2026-11-24T13:00:00Z');
const verdict = fc.record({
  state: fc.constantFrom('ready' as const, 'progressing' as const, 'failed' as const),
  works: fc.boolean(),
  reason: fc.constantFrom('A', 'B'),
  message: fc.string(),
});

const statuses = (given: Verdict): Record<string, string> =>
  Object.fromEntries(conditionsOf(given, 3, undefined, now).map(({ type, status }) => [type, status]));

/** What kstatus makes of an object whose generation was observed. */
function kstatus({ Ready, Reconciling, Stalled }: Record<string, string>): string {
  if (Reconciling === 'True') return 'InProgress';
  if (Stalled === 'True') return 'Failed';
  return Ready === 'True' ? 'Current' : 'InProgress';
}

describe('Conditions', () => {
  it('are read by kstatus as what they mean', () => {
    const meaning = { ready: 'Current', progressing: 'InProgress', failed: 'Failed' };
    fc.assert(
      fc.property(verdict, (given) => {
        assert.equal(kstatus(statuses(given)), meaning[given.state]);
      }),
    );
  });

  it('say Ready while the old pods answer', () => {
    assert.equal(
      statuses({ state: 'failed', works: true, reason: 'CrashLoop', message: '' })['Ready'],
      'True',
    );
    assert.equal(statuses({ state: 'failed', reason: 'CrashLoop', message: '' })['Ready'], 'False');
  });

  it('keep the time of a status that did not change, and are the same when nothing did', () => {
    fc.assert(
      fc.property(verdict, verdict, (first, second) => {
        const before = conditionsOf(first, 1, undefined, now);
        assert.deepEqual(conditionsOf(first, 1, before, later), before);
        for (const [index, condition] of conditionsOf(second, 2, before, later).entries()) {
          const changed = condition.status !== before[index]?.status;
          assert.equal(
            condition.lastTransitionTime,
            changed ? '2026-11-24T13:00:00Z' : '2026-11-24T12:00:00Z',
          );
        }
      }),
    );
  });

  it('tell a refusal, which lasts, from what is tried again', () => {
    const failure = { kind: 'Deployment', name: 'x', message: 'no', cause: new Error('no') };
    assert.equal(failureVerdict({ ...failure, reason: 'Forbidden' }, 1).state, 'failed');
    assert.equal(failureVerdict({ ...failure, reason: 'Unavailable' }, 2).state, 'progressing');
    assert.match(failureVerdict({ ...failure, reason: 'Unavailable' }, 2).message, /1 more/);
  });
});
