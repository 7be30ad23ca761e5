import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ListedFile } from './catalogue.ts';
import { createFetcher, type Fetcher, type FetcherOptions } from './fetcher.ts';
import { SourceError } from './source.ts';
import { StoreFullError } from './space.ts';

const A = 'a'.repeat(64);
const file = (source: string, sha256 = A, fetchable = true): ListedFile => ({
  source,
  sha256,
  size: 10,
  fetchable,
});

interface World {
  fetcher: Fetcher;
  fetched: string[];
  clock: { ms: number };
}

function worldOf(files: readonly ListedFile[], given: Partial<FetcherOptions> = {}): World {
  const fetched: string[] = [];
  const clock = { ms: 0 };
  const catalogue = Map.groupBy(files, ({ sha256 }) => sha256);
  const fetcher = createFetcher({
    catalogue: () => catalogue,
    fetchFile({ source, sha256 }, _onProgress, offline) {
      if (offline) return Promise.reject(new SourceError(source, 'not there'));
      fetched.push(source);
      return Promise.resolve(`/store/${sha256}`);
    },
    makeRoom: () => Promise.resolve(),
    concurrent: 2,
    nowMs: () => clock.ms,
    onEnd: () => undefined,
    ...given,
  });
  return { fetcher, fetched, clock };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('fetching blobs', () => {
  it('knows nothing that no model lists', async () => {
    const { fetcher, fetched } = worldOf([]);
    assert.deepEqual(await fetcher.ensure(A, 100), { kind: 'unknown' });
    assert.deepEqual(fetched, []);
  });

  it('is done once for all that ask at the same time, and tries the next source when one fails', async () => {
    const tried: string[] = [];
    const { fetcher } = worldOf([file('https://one'), file('https://two')], {
      fetchFile({ source }, _onProgress, offline) {
        if (offline) return Promise.reject(new SourceError(source, 'not there'));
        tried.push(source);
        return source === 'https://one'
          ? Promise.reject(new SourceError(source, 'is not there', 'missing'))
          : Promise.resolve('/store/a');
      },
    });
    const answers = await Promise.all([1, 2, 3].map(() => fetcher.ensure(A, 1000)));
    assert.deepEqual(new Set(answers.map(({ kind }) => kind)), new Set(['present']));
    assert.deepEqual(tried, ['https://one', 'https://two']);
  });

  it('answers that it is under way when it takes longer, with how far it has come, and goes on', async () => {
    const done = Promise.withResolvers<string>();
    const { fetcher } = worldOf([file('https://slow')], {
      fetchFile(_file, onProgress, offline) {
        if (offline) return Promise.reject(new Error('not there'));
        onProgress({ phase: 'downloading', bytes: 4, total: 10 });
        return done.promise;
      },
    });
    const first = await fetcher.ensure(A, 5);
    assert.deepEqual(first, { kind: 'fetching', progress: { phase: 'downloading', bytes: 4, total: 10 } });
    done.resolve('/store/a');
    assert.deepEqual(await fetcher.ensure(A, 1000), { kind: 'present', path: '/store/a' });
  });

  it('leaves a source that failed alone for a while, and says why meanwhile', async () => {
    let calls = 0;
    const { fetcher, clock } = worldOf([file('https://bad')], {
      fetchFile(_file, _onProgress, offline) {
        if (!offline) calls += 1;
        return Promise.reject(new SourceError('https://bad', 'expected 10 bytes, found 9.', 'mismatch'));
      },
    });
    const failed = {
      kind: 'failed',
      failure: 'mismatch',
      message: 'https://bad: expected 10 bytes, found 9.',
    };
    assert.deepEqual(await fetcher.ensure(A, 100), failed);
    assert.deepEqual(await fetcher.ensure(A, 100), failed);
    assert.equal(calls, 1);
    clock.ms = 20_000;
    assert.deepEqual(await fetcher.ensure(A, 100), failed);
    assert.equal(calls, 2);
  });

  it('never runs more at once than it may, and reserves room for those that run', async () => {
    const digests = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(64));
    const gates = new Map<string, () => void>();
    const reserved: number[] = [];
    const { fetcher } = worldOf(
      digests.map((sha256) => file(`https://${sha256.slice(0, 1)}`, sha256)),
      {
        makeRoom(_file, others) {
          reserved.push(others);
          return Promise.resolve();
        },
        fetchFile({ sha256 }, _onProgress, offline) {
          if (offline) return Promise.reject(new Error('not there'));
          return new Promise((resolve) => {
            gates.set(sha256, () => {
              resolve(`/store/${sha256}`);
            });
          });
        },
      },
    );
    const all = digests.map((sha256) => fetcher.ensure(sha256, 10_000));
    await settled();
    assert.equal(gates.size, 2);
    for (let open = gates.entries().next().value; open !== undefined; open = gates.entries().next().value) {
      gates.delete(open[0]);
      open[1]();
      await settled();
      assert.ok([...gates.keys()].length <= 2);
    }
    assert.ok((await Promise.all(all)).every(({ kind }) => kind === 'present'));
    assert.deepEqual(reserved.slice(0, 2), [0, 10]);
  });

  it('says that the store is full, and that a file may not be read, without reading it', async () => {
    const full = worldOf([file('https://big')], {
      makeRoom: () => Promise.reject(new StoreFullError(10, 5, 12)),
    });
    const answer = await full.fetcher.ensure(A, 100);
    assert.equal(answer.kind === 'failed' && answer.failure, 'full');
    const closed = worldOf([file('file:/etc/passwd', A, false)]);
    const refused = await closed.fetcher.ensure(A, 100);
    assert.match(refused.kind === 'failed' ? refused.message : '', /only for a ClusterImageModel/);
    assert.deepEqual([...full.fetched, ...closed.fetched], []);
  });
});
