import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ensureBinaries, printProgress } from '../cluster/binaries.ts';

const ROOT = join(import.meta.dirname, '..', '..');

interface Outcome {
  code: number;
  output: string;
}

/** As `npm run chart` does: ts-node checks the types of what it runs. */
async function chart(command: string): Promise<Outcome> {
  const { PATH = '' } = process.env;
  const env = { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${PATH}` };
  return new Promise((resolve) => {
    execFile(
      'ts-node',
      ['charts/tools/main.ts', command],
      { cwd: ROOT, env, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, output: `${stdout}${stderr}` });
      },
    );
  });
}

describe('the chart', () => {
  before(async () => {
    await ensureBinaries(['etcd', 'kube-apiserver', 'helm', 'kubectl'], { onProgress: printProgress });
  });

  it('has its generated files as its sources say now; else run `npm run chart -- generate`', async () => {
    const { code, output } = await chart('stale');
    assert.equal(output, '');
    assert.equal(code, 0);
  });

  it('renders, for every set of values of the matrix, only what a real API server accepts, and refuses the rest with a sentence', async (context) => {
    const { code, output } = await chart('render');
    assert.equal(code, 0, output);
    const lines = output.trim().split('\n');
    assert.ok(lines.filter((line) => line.startsWith('accepted')).length >= 8, output);
    assert.ok(lines.filter((line) => line.startsWith('refused')).length >= 10, output);
    for (const line of lines) context.diagnostic(line);
  });

  it('explains its tool', async () => {
    const { code, output } = await chart('--help');
    assert.equal(code, 0);
    assert.match(output, /generate .*\n.*stale/s);
    assert.equal((await chart('nonsense')).code, 2);
  });
});
