import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMemoryNonces, createSharedNonces, type SetIfAbsent } from './nonces.ts';

const at = (seconds: number): Date => new Date(seconds * 1000);

describe('nonces in memory', () => {
  it('are taken once each until they expire, and never beyond the bound', async () => {
    let now = at(100);
    const nonces = createMemoryNonces({ maxEntries: 2, now: () => now });
    const remember = (key: string): Promise<string> => nonces.remember(key, at(100), at(200));
    assert.equal(await remember('a'), 'fresh');
    assert.equal(await remember('a'), 'replayed');
    assert.equal(await remember('b'), 'fresh');
    assert.equal(await remember('c'), 'unknown');
    now = at(201);
    assert.equal(await remember('c'), 'fresh');
  });

  it('do not vouch for what was signed before they began', async () => {
    const nonces = createMemoryNonces({ maxEntries: 10, now: () => new Date(100_900) });
    assert.equal(await nonces.remember('a', at(99), at(400)), 'unknown');
    assert.equal(await nonces.remember('a', at(100), at(400)), 'fresh');
  });
});

describe('shared nonces', () => {
  const remember = (client: SetIfAbsent): Promise<string> =>
    createSharedNonces(client, { timeoutMs: 20, now: () => at(100) }).remember('a', at(90), at(390));

  it('are one atomic command, and unknown when it fails or is late', async () => {
    const asked: unknown[] = [];
    const answer = await remember({
      set: (...given) => {
        asked.push(given.slice(1));
        return Promise.resolve('OK');
      },
    });
    assert.equal(answer, 'fresh');
    assert.deepEqual(asked, [['1', 'PX', 290_000, 'NX']]);
    assert.equal(await remember({ set: () => Promise.resolve(null) }), 'replayed');
    assert.equal(await remember({ set: () => Promise.reject(new Error('gone')) }), 'unknown');
    assert.equal(await remember({ set: () => new Promise(() => undefined) }), 'unknown');
  });
});
