import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { createLogger } from './logger.ts';
import { openOutbox, type Outbox, OutboxFullError, type OutboxOptions } from './outbox.ts';

const logger = createLogger('test', 'silent');
let directory: string;
const open: Outbox<number>[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imageplane-outbox-'));
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((outbox) => outbox.close()));
  await rm(directory, { recursive: true, force: true });
});

async function outboxOn(folder: string, options: Partial<OutboxOptions<number>>): Promise<Outbox<number>> {
  const outbox = await openOutbox<number>({
    directory: folder,
    deliver: () => Promise.resolve(),
    maxBytes: 1_000_000,
    maxBatch: 100,
    logger,
    random: () => 0,
    ...options,
  });
  open.push(outbox);
  return outbox;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'the condition never held');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const away = (): Promise<void> => Promise.reject(new Error('away'));

describe('the outbox', () => {
  it('delivers everything once and in order, then leaves no file', async () => {
    const delivered: number[] = [];
    const outbox = await outboxOn(directory, {
      deliver: (entries) => {
        delivered.push(...entries);
        return Promise.resolve();
      },
    });
    const entries = Array.from({ length: 1000 }, (_, index) => index);
    await Promise.all(entries.map((entry) => outbox.append(entry)));
    await until(() => outbox.pending() === 0);
    assert.deepEqual(delivered, entries);
    await until(async () => (await readdir(directory)).length === 0);
  });

  it('keeps trying while the receiver is away, and says so', async () => {
    let there = false;
    const delivered: number[] = [];
    const outbox = await outboxOn(directory, {
      deliver: (entries) => {
        if (!there) return away();
        delivered.push(...entries);
        return Promise.resolve();
      },
    });
    await outbox.append(1);
    await until(() => outbox.lastFailure() !== undefined);
    assert.equal(outbox.lastFailure(), 'away');
    assert.equal(outbox.pending(), 1);
    there = true;
    await until(() => outbox.pending() === 0);
    assert.deepEqual(delivered, [1]);
  });

  it('takes nothing more than it may hold, and takes again once that is delivered', async () => {
    let there = false;
    const outbox = await outboxOn(directory, {
      deliver: () => (there ? Promise.resolve() : away()),
      maxBytes: 100,
    });
    const taken = await Promise.allSettled(
      Array.from({ length: 200 }, async (_, index) => {
        await new Promise((resolve) => setTimeout(resolve, index));
        await outbox.append(index);
      }),
    );
    const refused = taken.filter(({ status }) => status === 'rejected');
    assert.ok(refused.length > 0);
    assert.ok(refused.every((one) => one.status === 'rejected' && one.reason instanceof OutboxFullError));
    assert.ok(outbox.full());
    there = true;
    await until(() => !outbox.full());
    await outbox.append(1000);
  });

  it('loses nothing that it acknowledged when the process dies, and passes over a torn last line', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(), { maxLength: 30 }), { maxLength: 4 }),
        fc.constantFrom('', '{"to', '12'),
        async (lives, torn) => {
          const folder = await mkdtemp(join(directory, 'lives-'));
          for (const entries of lives) {
            // A life that ends without a word: nothing is closed, nothing was delivered.
            const outbox = await outboxOn(folder, { deliver: away });
            await Promise.all(entries.map((entry) => outbox.append(entry)));
            const last = (await readdir(folder)).sort().at(-1);
            if (last !== undefined) await appendFile(join(folder, last), torn);
          }
          const delivered: number[] = [];
          const outbox = await outboxOn(folder, {
            deliver: (entries) => {
              delivered.push(...entries);
              return Promise.resolve();
            },
            maxBatch: 7,
          });
          await until(() => outbox.pending() === 0);
          assert.deepEqual(delivered, lives.flat());
        },
      ),
      { numRuns: 15 },
    );
  });
});
