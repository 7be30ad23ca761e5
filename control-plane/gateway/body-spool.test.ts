import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { RequestError } from '../../foundation/errors.ts';
import { createSpool, type SpooledBody, type SpoolOptions, type WantedBody } from './body-spool.ts';

let directory: string;
let serve: (message: IncomingMessage) => Promise<void>;
const server = createServer((message, response) => {
  void serve(message).then(
    () => response.end(),
    (error: unknown) => response.writeHead(error instanceof RequestError ? error.status : 500).end(),
  );
});
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imageplane-spool-test-'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

const spoolOf = (changes: Partial<SpoolOptions> = {}) => {
  let id = 0;
  return createSpool({
    directory,
    memoryBytes: 1_000,
    totalBytes: 1_000_000,
    bodies: 4,
    bodiesPerCaller: 4,
    newId: () => String(id++),
    ...changes,
  });
};

const wanted = (limit: number): WantedBody => ({ limit, from: 'somebody', withinMs: 60_000 });

/** Sends the pieces one after the other; gives the status. */
function send(pieces: Uint8Array[], cut?: Promise<unknown>): Promise<number | 'cut'> {
  return new Promise((resolve) => {
    const { port } = server.address() as AddressInfo;
    const client = request({ port, method: 'POST', agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    client.on('error', () => {
      resolve('cut');
    });
    for (const piece of pieces) client.write(piece);
    if (cut === undefined) client.end();
    else void cut.then(() => client.destroy());
  });
}

async function all(body: SpooledBody): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body.chunks()) parts.push(part);
  return Buffer.concat(parts);
}

describe('a spooled body', () => {
  it('is given back whole and in order, hashed, as often as asked, from memory or the disk', async () => {
    const spool = spoolOf();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 900 }), { maxLength: 6 }),
        async (pieces) => {
          const expected = Buffer.concat(pieces);
          serve = async (message) => {
            const body = await spool.read(message, wanted(10_000));
            assert.deepEqual(await all(body), expected);
            assert.deepEqual(await all(body), expected);
            assert.equal(body.sha256, createHash('sha256').update(expected).digest('hex'));
            assert.equal(body.size, expected.length);
            assert.deepEqual(await readdir(directory), []);
            await body.dispose();
          };
          assert.equal(await send(pieces), 200);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('is refused beyond its limit, beyond the number and the sum of all, and gives its place back', async () => {
    const spool = spoolOf({ bodies: 1, totalBytes: 5_000 });
    const held: SpooledBody[] = [];
    serve = async (message) => void held.push(await spool.read(message, wanted(4_000)));
    assert.equal(await send([randomBytes(4_001)]), 413);
    assert.equal(await send([randomBytes(3_000)]), 200);
    assert.equal(await send([randomBytes(10)]), 503);
    await held[0]?.dispose();
    await held[0]?.dispose();
    assert.equal(await send([randomBytes(3_000)]), 200);
    await held[1]?.dispose();
    serve = async (message) => void held.push(await spool.read(message, wanted(9_000)));
    assert.equal(await send([randomBytes(5_001)]), 503);
    assert.equal(await send([randomBytes(4_999)]), 200);
    await held[2]?.dispose();
  });

  it('is refused when its caller has as many already, and when it does not come in time', async () => {
    const spool = spoolOf({ bodiesPerCaller: 1 });
    const held: SpooledBody[] = [];
    serve = async (message) => void held.push(await spool.read(message, wanted(100)));
    assert.equal(await send([randomBytes(10)]), 200);
    assert.equal(await send([randomBytes(10)]), 429);
    const other = { ...wanted(100), from: 'somebody else', withinMs: 50 };
    serve = async (message) => void held.push(await spool.read(message, other));
    const never = Promise.withResolvers<undefined>();
    assert.equal(await send([randomBytes(10)], never.promise), 408);
    assert.equal(await send([randomBytes(10)]), 200);
    for (const body of held) await body.dispose();
  });

  it('that breaks off leaves its place to others', async () => {
    const spool = spoolOf({ bodies: 1 });
    const begun = Promise.withResolvers<undefined>();
    const ended = Promise.withResolvers<undefined>();
    serve = async (message) => {
      message.once('data', () => {
        begun.resolve(undefined);
      });
      try {
        await (await spool.read(message, wanted(100_000))).dispose();
      } finally {
        ended.resolve(undefined);
      }
    };
    assert.equal(await send([randomBytes(5_000)], begun.promise), 'cut');
    await ended.promise;
    assert.equal(await send([randomBytes(5_000)]), 200);
  });
});
