import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';

const root = new URL('../', import.meta.url);
/** How a reason is written in the code: as a field, as the first word of `failed(…)`, or in a table of fetch failures. */
const WRITTEN = /(?:reason: |failed\(\s*|: \[\s*|\? |: )'([A-Z][A-Za-z]*[a-z][A-Za-z]+)'/g;
/** Words of Kubernetes that stand in the same places, and what is no reason. */
const OTHERS = new Set(['True', 'False', 'AsExpected', 'ProgressDeadlineExceeded', 'Reconcile']);

async function reasonsInCode(): Promise<Set<string>> {
  const reasons = new Set<string>();
  for (const folder of ['tenant', 'image-service', 'image-model', '.'])
    for await (const path of glob(`operator/${folder}/{status,checks,failure,reconcile,conditions}.ts`, {
      cwd: root,
    })) {
      const text = await readFile(new URL(path, root), 'utf8');
      for (const [, reason = ''] of text.matchAll(WRITTEN)) reasons.add(reason);
    }
  return reasons;
}

describe('Reasons of conditions', () => {
  it('are all explained in docs/guides/operator.md, and no others', async () => {
    const page = await readFile(new URL('docs/guides/operator.md', root), 'utf8');
    const table = page.slice(page.indexOf('## Reasons'));
    const explained = new Set(
      [...table.matchAll(/`([A-Z][A-Za-z]*[a-z][A-Za-z]+)`/g)].map(([, reason = '']) => reason),
    );
    for (const condition of ['Ready', 'Reconciling', 'Stalled']) explained.delete(condition);
    const written = await reasonsInCode();
    assert.deepEqual(
      [...explained].filter((reason) => !written.has(reason)),
      [],
      'explained, and not in the code',
    );
    assert.deepEqual(
      [...written].filter((reason) => !explained.has(reason) && !OTHERS.has(reason)),
      [],
      'in the code, and not explained',
    );
  });
});
