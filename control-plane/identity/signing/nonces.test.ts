import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMemoryNonces, createSharedNonces, type SharedNonceStore } from './nonces.ts';

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
  it('are unknown when the store fails, does not know its run, or answers something else', async () => {
    const remember = (store: Partial<SharedNonceStore>): Promise<string> =>
      createSharedNonces(
        {
          run: () => Promise.resolve('r1'),
          script: () => Promise.resolve('fresh'),
          onReady: () => undefined,
          onLost: () => undefined,
          ...store,
        },
        () => at(100),
      ).remember('a', at(90), at(390));
    assert.equal(await remember({}), 'fresh');
    assert.equal(await remember({ script: () => Promise.resolve('replayed') }), 'replayed');
    assert.equal(await remember({ script: () => Promise.resolve(null) }), 'unknown');
    assert.equal(await remember({ script: () => Promise.reject(new Error('gone')) }), 'unknown');
    assert.equal(await remember({ run: () => Promise.reject(new Error('gone')) }), 'unknown');
  });

  it('belong to the run of the server that answered last', async () => {
    const runs = ['r1', 'r2'];
    const keys: (string | undefined)[] = [];
    let lost = (): void => undefined;
    const nonces = createSharedNonces(
      {
        run: () => Promise.resolve(runs.shift() ?? ''),
        script: (_text, [since]) => {
          keys.push(since);
          return Promise.resolve('fresh');
        },
        onReady: () => undefined,
        onLost: (listener) => {
          lost = listener;
        },
      },
      () => at(100),
    );
    await nonces.remember('a', at(90), at(390));
    await nonces.remember('b', at(90), at(390));
    lost();
    await nonces.remember('c', at(90), at(390));
    assert.deepEqual(keys, ['{ip}:nonces:r1', '{ip}:nonces:r1', '{ip}:nonces:r2']);
  });
});
