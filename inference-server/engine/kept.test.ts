import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { JobHandle } from './engine.ts';
import { createKeptJobs } from './kept-jobs.ts';
import { createResultCache } from './result-cache.ts';

const handle = (id: string, principal: string): JobHandle => ({
  id,
  principal,
  route: '/',
  model: { name: 'm', sha256: '' },
  createdAt: new Date(0),
  finishedAt: () => undefined,
  state: () => ({ state: 'running' }),
  subscribe: () => () => undefined,
  result: Promise.race([]),
  cancel: () => undefined,
});

describe('kept jobs', () => {
  it('stay while they are not done, and are bounded by number and bytes once they are', () => {
    const arrival = fc.record({
      principal: fc.constantFrom('a', 'b'),
      bytes: fc.nat(40),
      done: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 60 }), (arrivals) => {
        const kept = createKeptJobs({ maxJobs: 10, maxBytes: 100, keepMs: 1, now: () => 0 });
        const open = new Set<string>();
        const bytes = new Map<string, number>();
        for (const [index, { principal, bytes: size, done }] of arrivals.entries()) {
          const id = `${principal}${index}`;
          kept.add(handle(id, principal));
          if (done) {
            bytes.set(id, size);
            kept.done(id, size);
          } else open.add(id);
        }
        const there = [...kept.of('a'), ...kept.of('b')].map(({ id }) => id);
        for (const id of open) assert.ok(there.includes(id));
        const finished = there.filter((id) => !open.has(id));
        assert.ok(there.length <= Math.max(10, open.size));
        assert.ok(finished.reduce((sum, id) => sum + (bytes.get(id) ?? 0), 0) <= 100);
      }),
    );
  });

  it('of one principal are not pushed out by those of another', () => {
    const kept = createKeptJobs({ maxJobs: 4, maxBytes: 1000, keepMs: 1, now: () => 0 });
    for (const id of ['b1', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6']) {
      kept.add(handle(id, id.charAt(0)));
      kept.done(id, 10);
    }
    assert.deepEqual(
      kept.of('b').map(({ id }) => id),
      ['b1'],
    );
    assert.equal(kept.get('b1', 'a'), undefined);
    assert.deepEqual(
      kept.of('a').map(({ id }) => id),
      ['a6', 'a5', 'a4'],
    );
  });
});

describe('the result cache', () => {
  it('holds no more bytes than it may, and the ones used last', () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      bytes: fc.nat(60),
      read: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const cache = createResultCache<number>({ maxBytes: 100, ttlMs: 10, now: () => 0 });
        let recent: { key: string; bytes: number }[] = [];
        for (const { key, bytes, read } of steps) {
          const known = recent.find((entry) => entry.key === key);
          if (read) assert.equal(cache.get(key), known?.bytes);
          else cache.set(key, bytes, bytes);
          const entry = read ? known : { key, bytes };
          recent = [...(entry === undefined ? [] : [entry]), ...recent.filter((other) => other.key !== key)];
          let total = 0;
          recent = recent.filter((one) => (total += one.bytes) <= 100);
          assert.equal(
            cache.bytes(),
            recent.reduce((sum, one) => sum + one.bytes, 0),
          );
        }
      }),
    );
  });

  it('gives nothing that is too old', () => {
    let now = 0;
    const cache = createResultCache<string>({ maxBytes: 100, ttlMs: 10, now: () => now });
    cache.set('a', 'x', 1);
    now = 9;
    assert.equal(cache.get('a'), 'x');
    now = 10;
    assert.equal(cache.get('a'), undefined);
    assert.equal(cache.bytes(), 0);
  });
});
