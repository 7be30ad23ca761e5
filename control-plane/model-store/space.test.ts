import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { evictions, StoreFullError, type StoredBlob } from './space.ts';

const blobs = fc
  .array(fc.record({ size: fc.integer({ min: 0, max: 100 }), changedMs: fc.nat(50), listed: fc.boolean() }), {
    maxLength: 20,
  })
  .map((list) => list.map((blob, index) => ({ ...blob, sha256: String(index) })));
const limits = fc.record({ needed: fc.nat(200), reserved: fc.nat(100), maxBytes: fc.nat(1500) });
const sum = (list: readonly StoredBlob[]): number => list.reduce((total, { size }) => total + size, 0);

describe('room in the model store', () => {
  it('is made from what no model lists, oldest first and no more than needed, or is refused', () => {
    fc.assert(
      fc.property(blobs, limits, (stored, { needed, reserved, maxBytes }) => {
        const listed = new Set(stored.filter((blob) => blob.listed).map(({ sha256 }) => sha256));
        const kept = stored.filter((blob) => blob.listed);
        const fits = sum(kept) + reserved + needed <= maxBytes;
        const run = () => evictions(stored, { needed, reserved, maxBytes }, (sha256) => listed.has(sha256));
        if (!fits) {
          assert.throws(run, StoreFullError);
          return;
        }
        const gone = run();
        assert.ok(gone.every(({ sha256 }) => !listed.has(sha256)));
        assert.ok(sum(stored) - sum(gone) + reserved + needed <= maxBytes);
        assert.ok(gone.every((blob, index) => (gone[index - 1]?.changedMs ?? 0) <= blob.changedMs));
        // Without the last of them it would not have been enough.
        const last = gone.at(-1)?.size ?? 0;
        assert.ok(gone.length === 0 || sum(stored) - sum(gone) + last + reserved + needed > maxBytes);
      }),
    );
  });
});
