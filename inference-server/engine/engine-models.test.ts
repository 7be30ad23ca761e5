import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../test/support/program.ts';
import type { ModelConfig } from '../config.ts';
import type { LoadOutcome } from './model-process.ts';
import {
  refusalOf,
  codeOf,
  untilReady,
  readyWorld,
  stateOf,
  modelOf,
  world,
  READY,
  UNUSABLE,
  MIB,
} from '../../test/support/scripted-engine.ts';

describe('a model', () => {
  it('takes no work before it has been ready once, and tells why', async () => {
    const test = world({ loads: () => UNUSABLE });
    await until('the problem is known', () => test.engine.problems()[0]?.code === 'model_not_loaded');
    const refusal = refusalOf(() => test.submit());
    assert.deepEqual([refusal.status, refusal.code], [503, 'model_not_ready']);
    await until('it tries again', () => test.processes.length >= 3);
    await test.engine.stop(0);
  });

  it('is not tried again when that cannot help, until it is asked for', async () => {
    const test = world({ loads: (_, attempt) => (attempt === 0 ? { ...UNUSABLE, permanent: true } : READY) });
    await until('it is known to be useless', () => stateOf(test) === 'failed');
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(test.processes.length, 1);
    await test.engine.load('m');
    assert.equal(stateOf(test), 'ready');
    await test.engine.stop(0);
  });

  it('keeps what waits while it replaces a process that died over a job', async () => {
    const test = await readyWorld();
    const victim = test.run();
    const process = await test.untilRunning();
    const next = test.run();
    process.end();
    assert.equal(await codeOf(victim), 'model_process_died');
    await until('another runs', () => test.processes.length === 2 && test.process().order() !== undefined);
    test.process().finishRun();
    assert.equal(await codeOf(next), 'ok');
    assert.deepEqual(test.causes, ['m died']);
    await test.engine.stop(0);
  });

  it('tells those who wait when several starts in a row came to nothing', async () => {
    const test = await readyWorld({ loads: (_, attempt) => (attempt === 0 ? READY : UNUSABLE) });
    const victim = test.run();
    const process = await test.untilRunning();
    const waiting = test.run();
    process.end();
    assert.equal(await codeOf(victim), 'model_process_died');
    assert.equal(await codeOf(waiting), 'model_not_ready');
    assert.equal(await codeOf(test.run()), 'model_not_ready');
    await test.engine.stop(0);
  });

  it('on demand is loaded by its first job, and unloaded when idle', async () => {
    const test = world({ models: [modelOf('m', { load: 'on-demand' })], idleUnloadMs: 30 });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([stateOf(test), test.processes.length], ['unloaded', 0]);
    const job = test.submit();
    assert.equal(job.state().state, 'loading');
    (await test.untilRunning()).finishRun();
    assert.equal((await job.result).ok, true);
    await until('it is unloaded', () => stateOf(test) === 'unloaded');
    assert.deepEqual(test.causes, ['m idle']);
    assert.deepEqual(test.engine.problems(), []);
    await test.engine.stop(0);
  });

  it('is unloaded on request after its running job, and loaded again when asked for', async () => {
    const test = await readyWorld();
    const job = test.submit();
    const process = await test.untilRunning();
    const unloaded = test.engine.unload('m');
    assert.equal(stateOf(test), 'draining');
    process.finishRun();
    await unloaded;
    assert.equal((await job.result).ok, true);
    await until('it is unloaded', () => stateOf(test) === 'unloaded');
    assert.deepEqual(test.engine.problems(), []);
    const next = test.submit();
    (await test.untilRunning()).finishRun();
    assert.equal((await next.result).ok, true);
    await test.engine.stop(0);
  });

  it('that is unloaded while it loads goes again, and does not come back by itself', async () => {
    let letLoad: (outcome: LoadOutcome) => void = () => undefined;
    const test = world({
      loads: () =>
        new Promise((resolve) => {
          letLoad = resolve;
        }),
    });
    await until('it is being loaded', () => test.processes.length === 1);
    await test.engine.unload('m');
    letLoad(READY);
    await until('it is gone', () => test.process().ended() && stateOf(test) === 'unloaded');
    assert.equal(test.processes.length, 1);
    await test.engine.stop(0);
  });

  it('makes room for another, the least recently used idle one first', async () => {
    const on = (name: string): ModelConfig => modelOf(name, { load: 'on-demand', memoryMiB: 40 });
    const test = world({
      models: [on('a'), on('b'), on('c')],
      memoryBudget: 100 * MIB,
      loads: () => ({ ...READY, peakBytes: 40 * MIB }),
    });
    for (const name of ['a', 'b', 'a', 'c']) {
      const work = test.run({ model: name });
      (await test.untilRunning(name)).finishRun();
      assert.equal(await codeOf(work), 'ok');
    }
    assert.deepEqual(
      ['a', 'b', 'c'].map((name) => stateOf(test, name)),
      ['ready', 'unloaded', 'ready'],
    );
    assert.deepEqual(test.causes, ['b evicted']);
    await test.engine.stop(0);
  });

  it('that can never fit is refused with the reason', async () => {
    const test = world({
      models: [modelOf('small', { memoryMiB: 10 }), modelOf('huge', { load: 'on-demand', memoryMiB: 95 })],
      memoryBudget: 100 * MIB,
    });
    await untilReady(test, 'small');
    const result = await test.run({ model: 'huge' });
    assert.ok(!result.ok && result.error.code === 'model_too_large');
    assert.match(result.error.message, /95 MiB.*budget for models is 100 MiB.*always loaded hold 10 MiB/);
    assert.equal(test.processes.length, 1);
    await test.engine.stop(0);
  });

  it('that turns out to be larger than the budget is refused as well', async () => {
    const test = world({
      models: [modelOf('m', { memoryMiB: 10 })],
      memoryBudget: 100 * MIB,
      loads: () => ({ ...READY, peakBytes: 101 * MIB }),
    });
    await until('it is known', () => test.engine.problems()[0]?.code === 'model_too_large');
    assert.ok(test.process().ended());
    await test.engine.stop(0);
  });
});

describe('another version of a model', () => {
  const version = (digit: string): ModelConfig =>
    modelOf('m', {
      memoryMiB: 40,
      files: [{ name: 'model.onnx', path: '/m', sha256: digit.repeat(64), size: 1 }],
    });

  it('is warm before the old one goes, and no job fails', async () => {
    let letLoad: (outcome: LoadOutcome) => void = () => undefined;
    const test = await readyWorld({
      loads: (_, attempt) =>
        attempt === 0
          ? READY
          : new Promise((resolve) => {
              letLoad = resolve;
            }),
    });
    const first = test.submit();
    const old = await test.untilRunning();
    const second = test.submit();
    const replaced = test.engine.replaceModel(version('b'));
    await until('the new one is started', () => test.processes.length === 2);
    old.finishRun();
    await first.result;
    await until('the old one goes on', () => old.order() !== undefined);
    letLoad(READY);
    await replaced;
    const third = test.submit();
    await until('the new one runs', () => test.process().order() !== undefined);
    assert.ok(old.order() !== undefined && !old.ended());
    old.finishRun();
    test.process().finishRun();
    const results = await Promise.all([second.result, third.result]);
    assert.ok(results.every(({ ok }) => ok));
    assert.deepEqual(
      results.map(({ model }) => model.sha256[0]),
      ['a', 'b'],
    );
    await until('the old one is gone', () => old.ended());
    await test.engine.stop(0);
  });

  it('takes the place of the old one when there is no room for both, while jobs wait', async () => {
    const test = await readyWorld({
      models: [version('a')],
      memoryBudget: 60 * MIB,
      loads: () => ({ ...READY, peakBytes: 40 * MIB }),
    });
    const first = test.submit();
    const old = await test.untilRunning();
    const second = test.submit();
    const replaced = test.engine.replaceModel(version('b'));
    await until('the old one is to go', () => stateOf(test) === 'draining');
    assert.equal(test.processes.length, 1);
    old.finishRun();
    await replaced;
    (await test.untilRunning()).finishRun();
    assert.deepEqual(
      (await Promise.all([first.result, second.result])).map(({ ok, model }) => [ok, model.sha256[0]]),
      [
        [true, 'a'],
        [true, 'b'],
      ],
    );
    await test.engine.stop(0);
  });

  for (const [room, budget] of [
    ['with', 1000],
    ['without', 60],
  ] as const)
    it(`that cannot be served leaves the old one in its place, ${room} room for both`, async () => {
      const test = await readyWorld({
        models: [version('a')],
        memoryBudget: budget * MIB,
        loads: ({ files }) =>
          files[0]?.sha256.startsWith('b') === true ? UNUSABLE : { ...READY, peakBytes: 40 * MIB },
      });
      await assert.rejects(test.engine.replaceModel(version('b')), { code: 'model_not_replaced' });
      await untilReady(test);
      const work = test.run();
      const process = await test.untilRunning();
      assert.ok(process.sha256.startsWith('a'));
      process.finishRun();
      assert.equal(await codeOf(work), 'ok');
      await test.engine.stop(0);
    });

  it('is the same one again, in a fresh process, after so many runs or so much growth', async () => {
    for (const [recycle, change] of [
      [{ afterRuns: 2, growthBytes: 0 }, {}],
      [{ afterRuns: 0, growthBytes: 5 * MIB }, { residentBytes: 16 * MIB }],
    ] as const) {
      const test = await readyWorld({ recycle });
      const old = test.process();
      for (let run = 0; run < 2; run++) {
        const work = test.run();
        (await test.untilRunning()).finishRun(run === 0 ? {} : change);
        assert.equal(await codeOf(work), 'ok');
      }
      await until('it is replaced', () => old.ended() && test.processes.length === 2);
      assert.deepEqual(test.causes, [recycle.afterRuns > 0 ? 'm runs' : 'm growth']);
      await test.engine.stop(0);
    }
  });
});
