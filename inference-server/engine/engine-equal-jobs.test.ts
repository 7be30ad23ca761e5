import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../test/support/program.ts';
import type { JobOptions } from '../worker/protocol.ts';
import type { Job } from './engine.ts';
import {
  refusalOf,
  codeOf,
  readyWorld,
  outputOf,
  modelOf,
  OPTIONS,
  MIB,
} from '../../test/support/scripted-engine.ts';

describe('equal jobs', () => {
  const cache = { maxBytes: MIB, ttlMs: 60_000 };
  const picture = (byte: number, change: Partial<JobOptions> = {}): Partial<Job> => ({
    work: {
      kind: 'background-removal',
      bytes: Uint8Array.of(byte),
      options: { ...OPTIONS, ...change },
      pixels: 64,
    },
  });

  it('at once run once, and each is recorded; the model is charged to one of them', async () => {
    const test = await readyWorld({ cache });
    const work = [test.run(picture(1)), test.run({ ...picture(1), principal: 'bob' }), test.run(picture(1))];
    const process = await test.untilRunning();
    await until('all wait for it', () => test.engine.model('m').waiting === 0);
    process.finishRun({ output: outputOf(7) });
    const results = await Promise.all(work);
    assert.deepEqual(results.map(({ from }) => from).toSorted(), ['run', 'shared', 'shared']);
    assert.ok(results.every((result) => result.ok && result.output.kind === 'background-removal'));
    assert.equal(results.filter(({ timings }) => timings.inferenceMs > 0).length, 1);
    assert.equal(test.recorded.length, 3);
    await test.engine.stop(0);
  });

  it('are given the same result again, while parameters, input and version are the same', async () => {
    const test = await readyWorld({ cache });
    const first = test.run(picture(1));
    (await test.untilRunning()).finishRun({ output: outputOf(7) });
    await first;
    const hit = await test.run(picture(1));
    assert.ok(hit.ok && hit.from === 'hit' && hit.timings.inferenceMs === 0);
    for (const other of [picture(2), picture(1, { format: 'webp' })]) {
      const work = test.run(other);
      (await test.untilRunning()).finishRun();
      assert.equal((await work).from, 'run');
    }
    const [file] = modelOf('m').files;
    assert.ok(file !== undefined);
    await test.engine.replaceModel(modelOf('m', { files: [{ ...file, sha256: 'b'.repeat(64) }] }));
    const again = test.run(picture(1));
    (await test.untilRunning()).finishRun();
    assert.equal((await again).from, 'run');
    assert.equal(test.recorded.length, 5);
    await test.engine.stop(0);
  });

  it('are not given up when one of them is', async () => {
    const test = await readyWorld({ cache });
    const first = test.submit(picture(1));
    const second = test.submit(picture(1));
    const process = await test.untilRunning();
    await until('both wait for it', () => second.state().state === 'running');
    first.cancel();
    const cancelled = await first.result;
    assert.ok(!cancelled.ok && cancelled.outcome === 'cancelled');
    process.finishRun();
    assert.equal((await second.result).ok, true);
    assert.deepEqual(test.causes, []);
    await test.engine.stop(0);
  });

  it('are nothing special unless that was asked for', async () => {
    const test = await readyWorld();
    const work = [test.run(picture(1)), test.run(picture(1))];
    for (let i = 0; i < 2; i++) {
      (await test.untilRunning()).finishRun();
      await until('it is recorded', () => test.recorded.length > i);
    }
    for (const result of await Promise.all(work)) assert.equal(result.from, 'run');
    await test.engine.stop(0);
  });
});

describe('stopping', () => {
  it('gives what is under way its time, and tells the rest to come again', async () => {
    const test = await readyWorld();
    const first = test.run();
    const process = await test.untilRunning();
    const second = test.run();
    const stopped = test.engine.stop(100);
    assert.equal(refusalOf(() => test.submit()).code, 'server_stopping');
    process.finishRun();
    assert.equal(await codeOf(first), 'ok');
    await stopped;
    assert.equal(await codeOf(second), 'server_stopping');
    assert.equal(test.recorded.length, 2);
    assert.ok(test.processes.every((each) => each.ended()));
  });
});
