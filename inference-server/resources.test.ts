import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { memoryBudget, threadsPerModel, usableCores } from './resources.ts';

const run = promisify(execFile);
const models = (...loads: ('always' | 'on-demand')[]): Parameters<typeof threadsPerModel>[0]['models'] =>
  loads.map((load, index) => ({
    name: `m${index}`,
    family: 'tiny',
    task: 'tensors',
    load,
    files: [],
  }));

describe('what a model may use', () => {
  it('is its share of the threads among the models that are always loaded', () => {
    assert.equal(threadsPerModel({ threads: 8, models: models('always', 'always', 'on-demand') }), 4);
    assert.equal(threadsPerModel({ threads: 8, models: models('on-demand', 'on-demand') }), 8);
    assert.equal(threadsPerModel({ threads: 1, models: models('always', 'always', 'always') }), 1);
    assert.equal(threadsPerModel({ threads: 0, models: models('always') }), usableCores());
    assert.ok(usableCores() <= availableParallelism());
  });

  it(
    'counts only the processors that the process may run on',
    { skip: process.platform !== 'linux' },
    async () => {
      const script = 'console.log(require("node:os").availableParallelism())';
      const { stdout } = await run('taskset', ['-c', '0', process.execPath, '-e', script]);
      assert.equal(stdout.trim(), '1');
    },
  );

  it('is the budget of the configuration, or a share of what there is', () => {
    assert.equal(memoryBudget({ memory: { budgetMiB: 3, waitingMiB: 1 } }), 3 * 2 ** 20);
    const own = memoryBudget({ memory: { budgetMiB: 0, waitingMiB: 1 } });
    assert.ok(own > 2 ** 27 && own < 2 ** 48);
  });
});
