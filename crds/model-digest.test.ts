import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { modelDigest } from './model-digest.ts';

const a = { name: 'model.onnx', sha256: 'a'.repeat(64) };
const b = { name: 'data.bin', sha256: 'b'.repeat(64) };

describe('The digest of a model', () => {
  it('is that of its only file', () => {
    assert.equal(modelDigest([a]), a.sha256);
  });

  it('is, of several files, that of what sha256sum prints of them in the order of names', () => {
    const lines = `${b.sha256}  data.bin\n${a.sha256}  model.onnx\n`;
    const expected = createHash('sha256').update(lines).digest('hex');
    assert.equal(modelDigest([a, b]), expected);
    assert.equal(modelDigest([b, a]), expected);
  });
});
