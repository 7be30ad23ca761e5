import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { tinyGraph } from '../../test/support/onnx.ts';
import { placementOf, watchPlacement } from './placement.ts';

describe('where a session runs', () => {
  it('is read from the profile that ONNX Runtime itself writes of its first run', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'imageplane-placement-'));
    try {
      const path = join(folder, 'tiny.onnx');
      await writeFile(path, tinyGraph({ width: 8, height: 8, work: 2 }));
      const { options, read } = await watchPlacement();
      const session = await InferenceSession.create(path, { executionProviders: ['cpu'], ...options });
      await session.run({ input: new Tensor('float32', new Float32Array(3 * 64), [1, 3, 8, 8]) });
      session.endProfiling();
      const placement = await read();
      assert.deepEqual(Object.keys(placement), ['CPUExecutionProvider']);
      assert.ok((placement['CPUExecutionProvider'] ?? 0) >= 4);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('counts the nodes of each provider, and nothing else', () => {
    const node = (provider: string): object => ({ cat: 'Node', args: { provider } });
    const events = [node('A'), node('B'), node('A'), { cat: 'Session' }, { cat: 'Node', args: {} }];
    assert.deepEqual(placementOf(JSON.stringify(events)), { A: 2, B: 1 });
  });
});
