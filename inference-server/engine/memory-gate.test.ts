import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Claim, createMemoryGate, type Holder, type MemoryGate, planRoom } from './memory-gate.ts';

const holder = fc.record<Holder>({
  name: fc.uuid(),
  bytes: fc.nat(50),
  state: fc.constantFrom('pinned', 'idle', 'busy', 'leaving'),
  lastUsedAt: fc.nat(100),
});

describe('room for a model', () => {
  it('is made only when it then fits, of nothing pinned, and of nothing busy unless it may', () => {
    fc.assert(
      fc.property(
        fc.nat(100),
        fc.nat(200),
        fc.array(holder, { maxLength: 8 }),
        fc.boolean(),
        (need, budget, holders, busyMayGo) => {
          const plan = planRoom(need, budget, holders, { busyMayGo });
          const sum = (chosen: Holder[]): number => chosen.reduce((total, { bytes }) => total + bytes, 0);
          const used = sum(holders);
          const pinned = sum(holders.filter(({ state }) => state === 'pinned'));
          assert.equal(plan.kind === 'never', need + pinned > budget);
          if (plan.kind === 'fits') assert.ok(used + need <= budget);
          if (plan.kind !== 'evict') return;
          const gone = holders.filter(({ name }) => plan.names.includes(name));
          assert.ok(gone.every(({ state }) => state === 'idle' || (state === 'busy' && busyMayGo)));
          const leaving = sum(holders.filter(({ state }) => state === 'leaving'));
          assert.ok(used - sum(gone) - leaving + need <= budget);
          // None that stays idle was used longer ago.
          const idle = gone.filter(({ state }) => state === 'idle');
          const kept = holders.filter(({ name, state }) => state === 'idle' && !plan.names.includes(name));
          for (const { lastUsedAt } of kept) assert.ok(idle.every((one) => one.lastUsedAt <= lastUsedAt));
        },
      ),
    );
  });
});

interface World {
  gate: MemoryGate;
  evicted: string[];
  states: Map<string, { pinned: boolean; busy: boolean; lastUsedAt: number }>;
  advance: (ms: number) => void;
}

function world(budget: number): World {
  const evicted: string[] = [];
  const states: World['states'] = new Map();
  let now = 0;
  const gate = createMemoryGate({
    budget,
    patienceMs: 1_000,
    stateOf: (name) => states.get(name) ?? { pinned: false, busy: false, lastUsedAt: 0 },
    evict: (name) => evicted.push(name),
    now: () => now,
  });
  return {
    gate,
    evicted,
    states,
    advance(ms) {
      now += ms;
      gate.look();
    },
  };
}

async function claimed(gate: MemoryGate, name: string, bytes: number): Promise<Claim> {
  const outcome = await gate.claim(name, bytes, () => true);
  assert.ok(outcome?.ok === true);
  return outcome.claim;
}

describe('the memory gate', () => {
  it('serves in the order of asking, so that a large model is not starved by small ones', async () => {
    const { gate, evicted, states } = world(100);
    const first = await claimed(gate, 'a', 60);
    states.set('a', { pinned: false, busy: true, lastUsedAt: 0 });
    const order: string[] = [];
    const large = claimed(gate, 'large', 90).then((claim) => {
      order.push('large');
      return claim;
    });
    const small = claimed(gate, 'small', 10).then((claim) => {
      order.push('small');
      return claim;
    });
    assert.equal(gate.tryClaim('other', 1), undefined);
    assert.deepEqual(evicted, []);
    first.release();
    (await large).release();
    await small;
    assert.deepEqual(order, ['large', 'small']);
    gate.close();
  });

  it('asks a busy model to go after what it does, only when somebody has waited for long', async () => {
    const { gate, evicted, states, advance } = world(100);
    const first = await claimed(gate, 'a', 60);
    states.set('a', { pinned: false, busy: true, lastUsedAt: 0 });
    const second = claimed(gate, 'b', 60);
    advance(500);
    assert.deepEqual(evicted, []);
    advance(600);
    assert.deepEqual(evicted, ['a']);
    first.leave();
    first.release();
    await second;
    gate.close();
  });

  it('lets idle ones go when a model turns out to be larger than it was reckoned', async () => {
    const { gate, evicted, states } = world(100);
    await claimed(gate, 'idle', 40);
    const growing = await claimed(gate, 'growing', 40);
    states.set('growing', { pinned: false, busy: true, lastUsedAt: 0 });
    growing.adjust(70);
    assert.deepEqual(evicted, ['idle']);
    assert.equal(gate.bytes(), 110);
    gate.close();
  });

  it('lets those be who are not wanted any more', async () => {
    const { gate, states } = world(100);
    await claimed(gate, 'a', 60);
    states.set('a', { pinned: false, busy: true, lastUsedAt: 0 });
    let wanted = true;
    const outcome = gate.claim('b', 60, () => wanted);
    wanted = false;
    gate.look();
    assert.equal(await outcome, undefined);
    gate.close();
  });
});
