import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MalformedLineError, type WatchEvent, watchEvents } from './watch-lines.ts';

const event = fc.record({
  type: fc.constantFrom('ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'),
  object: fc.record({
    metadata: fc.record({
      name: fc.string({ unit: 'grapheme' }),
      uid: fc.uuid(),
      resourceVersion: fc.nat().map(String),
    }),
    data: fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' })),
  }),
});

/** The bytes in pieces that end where `cuts` say. */
async function* inPieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.byteLength + 1)))].sort((a, b) => a - b);
  let start = 0;
  for (const end of [...ends, bytes.byteLength]) {
    yield await Promise.resolve(bytes.subarray(start, end));
    start = end;
  }
}

async function all(events: AsyncIterable<WatchEvent>): Promise<WatchEvent[]> {
  const result: WatchEvent[] = [];
  for await (const one of events) result.push(one);
  return result;
}

function linesOf(events: readonly unknown[]): Buffer {
  return Buffer.from(events.map((one) => `${JSON.stringify(one)}\n`).join(''));
}

describe('the lines of a watch', () => {
  it('are the same events however the bytes are cut into pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 8 }), fc.array(fc.nat()), async (events, cuts) => {
        const plain = JSON.parse(JSON.stringify(events)) as unknown;
        assert.deepEqual(await all(watchEvents(inPieces(linesOf(events), cuts))), plain);
      }),
    );
  });

  it('are refused when any bytes of them are missing, and never made into something else', async () => {
    const events = fc.array(event, { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(events, fc.nat(), fc.integer({ min: 1, max: 400 }), async (whole, at, count) => {
        const bytes = linesOf(whole);
        const from = at % bytes.byteLength;
        const rest = Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + count)]);
        const told: WatchEvent[] = [];
        try {
          for await (const one of watchEvents(inPieces(rest, []))) told.push(one);
        } catch (error) {
          assert.ok(error instanceof MalformedLineError);
        }
        // A string within a value can lose letters unseen; names of fields and the structure cannot.
        for (const { object } of told) assert.equal(typeof object.metadata.resourceVersion, 'string');
        assert.ok(told.length <= whole.length);
      }),
    );
  });

  it('must have an end', async () => {
    const half = Buffer.from('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1"}}}');
    await assert.rejects(all(watchEvents(inPieces(half, []))), /ended within it/);
    assert.equal((await all(watchEvents(inPieces(Buffer.concat([half, Buffer.from('\n')]), [])))).length, 1);
  });

  it('must be events of objects with a name, a uid and a version', async () => {
    const metadata = { name: 'a', uid: 'u', resourceVersion: '1' };
    const wrong: unknown[] = [
      7,
      null,
      [],
      {},
      { type: 'ADDED' },
      { type: 'ADDED', object: null },
      { type: 'ADDED', object: {} },
      { type: 'ADDED', object: { metadata: { ...metadata, uid: undefined } } },
      { type: 'ADDED', object: { metadata: { ...metadata, resourceVersion: 7 } } },
      { type: 'BOOKMARK', object: { metadata: {} } },
      { type: 'SOMETHING', object: { metadata } },
    ];
    for (const one of wrong)
      await assert.rejects(all(watchEvents(inPieces(linesOf([one]), []))), MalformedLineError);
    const error = { type: 'ERROR', object: { kind: 'Status', code: 410 } };
    assert.deepEqual(await all(watchEvents(inPieces(linesOf([error]), []))), [error]);
  });

  it('are given up when one has more bytes than any object', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    let read = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        read += 1;
        yield await Promise.resolve(chunk);
      }
    }
    await assert.rejects(all(watchEvents(endless())), /more than/);
    assert.ok(read < 20);
  });

  it('tell of every piece that comes, also when it ends no line', async () => {
    let heard = 0;
    await all(watchEvents(inPieces(linesOf([{ type: 'ERROR', object: {} }]), [3, 9]), () => (heard += 1)));
    assert.equal(heard, 3);
  });
});
