import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createLogger } from '../../foundation/logger.ts';
import { createManualClock, type ManualClock } from '../../test/support/manual-clock.ts';
import { memoryClient } from '../../test/support/memory-client.ts';
import { checkLeaseTimes, createElector, type Elector, LEASE_TIMES, microTime } from './leader-election.ts';
import { resources } from './resources.ts';
import type { Client } from './types.ts';

const logger = createLogger('test', 'silent');
const lease = { namespace: 'system', name: 'operator' };

function electorOf(identity: string, client: Client, clock: ManualClock): Elector {
  return createElector({ ...{ client, lease, identity, clock, logger }, random: () => 0.5 });
}

interface LeaseObject {
  spec?: { holderIdentity?: string; leaseTransitions?: number; renewTime?: string };
}

async function specOf(client: Client): Promise<LeaseObject['spec']> {
  const found: unknown = await client.get(resources.Lease, lease);
  return (found as LeaseObject | undefined)?.spec;
}

const never = new AbortController().signal;

describe('an elector', () => {
  it('takes a Lease that nobody holds, renews it, and keeps others out', async () => {
    const clock = createManualClock();
    const { client } = memoryClient();
    const [first, second] = [electorOf('a', client, clock), electorOf('b', client, clock)];
    await first.acquire(never);
    let led = false;
    void second.acquire(never).then(() => (led = true));
    await clock.advance(120_000);
    assert.equal(first.leads(), true);
    assert.equal(led, false);
    assert.equal((await specOf(client))?.holderIdentity, 'a');
    assert.equal((await specOf(client))?.renewTime, '2026-01-01T00:02:00.000000Z');
  });

  it('is followed at once when it releases', async () => {
    const clock = createManualClock();
    const { client } = memoryClient();
    const [first, second] = [electorOf('a', client, clock), electorOf('b', client, clock)];
    await first.acquire(never);
    const following = second.acquire(never);
    await clock.advance(1000);
    await first.release();
    assert.equal(first.leads(), false);
    await clock.advance(LEASE_TIMES.retryMs * 1.2);
    await following;
    assert.equal(second.leads(), true);
    assert.equal((await specOf(client))?.leaseTransitions, 1);
  });

  it('is lost before others may take over, when the API server does not answer it', async () => {
    const clock = createManualClock();
    const { client, faults } = memoryClient();
    const first = electorOf('a', client, clock);
    await first.acquire(never);
    let reason = '';
    void first.lost.then((why) => (reason = why));
    faults.refuse = true;
    await clock.advance(LEASE_TIMES.renewMs - 1);
    assert.equal(reason, '');
    assert.match(String(first.problem()), /refused/);
    await clock.advance(LEASE_TIMES.retryMs + 1);
    assert.equal(first.leads(), false);
    assert.match(reason, /refused/);
  });

  it('is lost at once when another holds the Lease', async () => {
    const clock = createManualClock();
    const { client } = memoryClient();
    const first = electorOf('a', client, clock);
    await first.acquire(never);
    const held = await client.get(resources.Lease, lease);
    assert.ok(held !== undefined);
    await client.update(resources.Lease, {
      ...held,
      spec: { holderIdentity: 'z', leaseDurationSeconds: 15 },
    } as never);
    await clock.advance(LEASE_TIMES.retryMs);
    assert.equal(first.leads(), false);
    assert.match(await first.lost, /another/);
  });

  it('counts from what it has seen itself, not from the dates in the Lease', async () => {
    const clock = createManualClock();
    const { client } = memoryClient();
    for (const renewTime of ['1999-01-01T00:00:00.000000Z', '2099-01-01T00:00:00.000000Z']) {
      const spec = { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime };
      await client.delete(resources.Lease, lease);
      await client.create(resources.Lease, {
        apiVersion: 'x/v1',
        kind: 'Lease',
        metadata: lease,
        spec,
      } as never);
      const elector = electorOf('a', client, clock);
      let led = false;
      void elector.acquire(never).then(() => (led = true));
      await clock.advance(14_900);
      assert.equal(led, false, renewTime);
      await clock.advance(LEASE_TIMES.retryMs * 1.2 + 100);
      assert.equal(led, true, renewTime);
      await elector.release();
    }
  });

  it('does not trust a lead that a suspended machine wakes up with, until it is renewed', async () => {
    const clock = createManualClock();
    let slept = 0;
    const date = (): Date => new Date(clock.date().getTime() + slept);
    const elector = electorOf('a', memoryClient().client, { ...clock, date, pending: 0 });
    await elector.acquire(never);
    slept = 60_000;
    assert.equal(elector.leads(), false);
    await clock.advance(LEASE_TIMES.retryMs);
    assert.equal(elector.leads(), true);
    await elector.release();
  });

  it('never leads together with another, whatever fails and however long a process sleeps', async () => {
    const step = fc.oneof(
      fc.record({ wait: fc.integer({ min: 1, max: 9000 }) }),
      fc.record({ refuse: fc.boolean(), who: fc.nat({ max: 2 }) }),
      fc.record({ loseAnswers: fc.boolean(), who: fc.nat({ max: 2 }) }),
      fc.record({ release: fc.nat({ max: 2 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const clock = createManualClock();
        const shared = memoryClient();
        const replicas = ['a', 'b', 'c'].map((identity) => {
          const { client, faults } = memoryClient(shared.state);
          return { faults, elector: electorOf(identity, client, clock), end: new AbortController() };
        });
        for (const { elector, end } of replicas) elector.acquire(end.signal).catch(() => undefined);
        for (const one of steps) {
          if ('wait' in one) {
            for (let left = one.wait; left > 0; left -= 250) {
              await clock.advance(Math.min(left, 250));
              assert.ok(replicas.filter(({ elector }) => elector.leads()).length <= 1, 'two lead');
            }
          } else if ('release' in one) await replicas[one.release]?.elector.release();
          else Object.assign(replicas[one.who]?.faults ?? {}, one);
        }
        for (const { end, elector } of replicas) {
          end.abort(new Error('the test ends'));
          await elector.release();
        }
      }),
      { numRuns: 150 },
    );
  });

  it('refuses times with which two could lead', () => {
    checkLeaseTimes(LEASE_TIMES);
    const wrong = [
      { leaseMs: 10_000 },
      { leaseMs: 15_500 },
      { renewMs: 2400 },
      { retryMs: 0 },
      { leaseMs: 0 },
    ];
    for (const change of wrong)
      assert.throws(() => {
        checkLeaseTimes({ ...LEASE_TIMES, ...change });
      }, RangeError);
  });

  it('writes six digits of a second', () => {
    assert.equal(microTime(new Date(0)), '1970-01-01T00:00:00.000000Z');
  });
});
