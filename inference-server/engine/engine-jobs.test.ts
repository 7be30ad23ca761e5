import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../test/support/program.ts';
import type { Job, JobResult } from './engine.ts';
import {
  refusalOf,
  codeOf,
  untilReady,
  readyWorld,
  modelOf,
  READY,
  OPTIONS,
  MIB,
} from '../../test/support/scripted-engine.ts';

describe('the queue of a model', () => {
  it('gives its process one job at a time, and the turn goes round between principals', async () => {
    const test = await readyWorld();
    const order: string[] = [];
    const submit = (principal: string, id: string): Promise<JobResult> =>
      test.run({ principal, id }).then((result) => {
        order.push(id);
        return result;
      });
    const work = [submit('ada', 'a1')];
    const process = await test.untilRunning();
    work.push(submit('ada', 'a2'), submit('ada', 'a3'), submit('bob', 'b1'), submit('eve', 'e1'));
    for (const job of work) {
      await until('the next runs', () => process.order() !== undefined);
      process.finishRun();
      await Promise.race([job, until('one is done', () => order.length > 0)]);
    }
    await Promise.all(work);
    assert.deepEqual(order, ['a1', 'a2', 'b1', 'e1', 'a3']);
    await test.engine.stop(0);
  });

  it('lets the more urgent go first', async () => {
    const test = await readyWorld();
    const first = test.submit();
    const process = await test.untilRunning();
    const low = test.submit({ priority: 'low' });
    const high = test.submit({ priority: 'high' });
    process.finishRun();
    await first.result;
    await test.untilRunning();
    assert.deepEqual([low.state().state, high.state().state], ['queued', 'running']);
    await test.engine.stop(0);
  });

  it('refuses a caller who has his share waiting with 429, and everyone when it is full with 503', async () => {
    const test = await readyWorld({ queue: { depth: 4, deadlineMs: 60_000, maxBytes: MIB } });
    test.submit();
    await test.untilRunning();
    for (let i = 0; i < 3; i++) test.submit();
    const own = refusalOf(() => test.submit());
    assert.deepEqual([own.status, own.code], [429, 'too_many_waiting']);
    assert.ok(Number(own.headers['retry-after']) >= 1);
    test.submit({ principal: 'bob' });
    const full = refusalOf(() => test.submit({ principal: 'eve' }));
    assert.deepEqual([full.status, full.code], [503, 'queue_full']);
    assert.ok(Number(full.headers['retry-after']) >= 1);
    assert.equal(test.recorded.length, 0);
    await test.engine.stop(0);
  });

  it('holds no more bytes of inputs than it may', async () => {
    const test = await readyWorld({ queue: { depth: 8, deadlineMs: 60_000, maxBytes: 100 } });
    const work = (bytes: number): Partial<Job> => ({
      work: { kind: 'background-removal', bytes: new Uint8Array(bytes), options: OPTIONS, pixels: 1 },
    });
    const first = test.submit(work(90));
    assert.equal(refusalOf(() => test.submit(work(20))).code, 'queue_full');
    (await test.untilRunning()).finishRun();
    await first.result;
    test.submit(work(20));
    await test.engine.stop(0);
  });

  it('begins nothing that its deadline would kill, and never comes to refuse everything', async () => {
    let clock = 0;
    const test = await readyWorld({ now: () => clock });
    const takes = async (work: Promise<JobResult>, ms: number): Promise<string> => {
      const process = await test.untilRunning();
      clock += ms;
      process.finishRun();
      return codeOf(work);
    };
    assert.equal(await takes(test.run(), 59_999), 'ok');
    const first = test.run();
    const second = test.run();
    assert.equal(await takes(first, 45_000), 'ok');
    assert.equal(await codeOf(second), 'deadline_exceeded');
    assert.deepEqual(test.causes, []);
    assert.equal(await takes(test.run(), 1), 'ok');
    await test.engine.stop(0);
  });
});

describe('a job', () => {
  it('is recorded once, before its result is given, whatever it came to', async () => {
    const pending: (() => void)[] = [];
    const seen: string[] = [];
    const test = await readyWorld({
      usage: {
        full: () => false,
        record: async ({ job }, result) => {
          seen.push(`${job.id} ${result.ok ? 'ok' : result.outcome}`);
          return new Promise((resolve) => pending.push(resolve));
        },
      },
    });
    const job = test.submit({ id: 'one' });
    (await test.untilRunning()).finishRun();
    await until('it is being recorded', () => seen.length === 1);
    assert.equal(job.state().state, 'running');
    pending.splice(0).forEach((done) => {
      done();
    });
    assert.equal((await job.result).ok, true);
    assert.equal(job.state().state, 'done');
    assert.deepEqual(seen, ['one ok']);
    await test.engine.stop(0);
  });

  it('whose use cannot be recorded gives no result', async () => {
    const test = await readyWorld({
      usage: { full: () => false, record: () => Promise.reject(new Error('the disk is full')) },
    });
    const work = test.run();
    (await test.untilRunning()).finishRun();
    assert.equal(await codeOf(work), 'usage_not_recorded');
    await test.engine.stop(0);
  });

  it('is seen by its principal only, and kept for its time and no longer', async () => {
    let clock = 0;
    const test = await readyWorld({ now: () => clock });
    const { id, result } = test.submit({ principal: 'ada' });
    assert.equal(refusalOf(() => test.submit({ id })).code, 'job_exists');
    (await test.untilRunning()).finishRun();
    await result;
    assert.equal(test.engine.job(id, 'bob'), undefined);
    assert.equal(test.engine.job(id, 'ada')?.state().state, 'done');
    clock += 60_000;
    assert.equal(test.engine.job(id, 'ada'), undefined);
    await test.engine.stop(0);
  });

  it('tells who watches where it is', async () => {
    const test = await readyWorld();
    const first = test.submit();
    const second = test.submit();
    const states: string[] = [];
    test
      .submit()
      .subscribe((state) => states.push(state.state === 'queued' ? `queued ${state.position}` : state.state));
    for (let i = 0; i < 3; i++) {
      (await test.untilRunning()).finishRun();
      await until('it is given back', () => test.recorded.length > i);
    }
    await Promise.all([first.result, second.result]);
    await until('the last is done', () => states.at(-1) === 'done');
    assert.deepEqual(states, ['queued 2', 'queued 1', 'running', 'done']);
    await test.engine.stop(0);
  });

  it('that waits is taken out of the queue when it is cancelled, and charged no time', async () => {
    const test = await readyWorld();
    const first = test.submit();
    await test.untilRunning();
    const leave = new AbortController();
    const gone = test.run({}, leave.signal);
    const second = test.submit();
    leave.abort();
    second.cancel();
    const [one, two] = await Promise.all([gone, second.result]);
    assert.ok(!one.ok && one.outcome === 'cancelled' && one.error.code === 'client_disconnected');
    assert.ok(!two.ok && two.outcome === 'cancelled' && two.error.code === 'job_cancelled');
    assert.equal(two.timings.inferenceMs, 0);
    assert.deepEqual(test.causes, []);
    test.process().finishRun();
    assert.equal((await first.result).ok, true);
    await test.engine.stop(0);
  });

  it('that runs is ended with its process when it is cancelled, and the next one runs on another', async () => {
    const test = await readyWorld();
    const first = test.submit();
    const victim = await test.untilRunning();
    const second = test.submit();
    first.cancel();
    const result = await first.result;
    assert.ok(!result.ok && result.outcome === 'cancelled');
    assert.ok(victim.ended());
    const next = await test.untilRunning();
    assert.notEqual(next, victim);
    next.finishRun();
    assert.equal((await second.result).ok, true);
    assert.deepEqual(test.causes, ['m cancelled']);
    await test.engine.stop(0);
  });

  it('that is cancelled shortly before its end is let go on, since that frees its place sooner', async () => {
    let clock = 0;
    const test = await readyWorld({ now: () => clock, loads: () => ({ ...READY, loadMs: 5_000 }) });
    const first = test.submit();
    const process = await test.untilRunning();
    clock += 1_000;
    process.finishRun();
    await first.result;
    const second = test.submit();
    await test.untilRunning();
    clock += 800;
    second.cancel();
    const result = await second.result;
    assert.ok(!result.ok && result.timings.inferenceMs === 800);
    assert.equal(process.ended(), false);
    process.finishRun();
    await until('its place is free', () => test.engine.model('m').running === 0);
    assert.deepEqual(test.causes, []);
    await test.engine.stop(0);
  });

  it('that is overdue is ended with its process', async () => {
    const test = await readyWorld();
    const work = test.run({ deadlineMs: 20 });
    const victim = await test.untilRunning();
    assert.equal(await codeOf(work), 'deadline_exceeded');
    assert.ok(victim.ended());
    await untilReady(test);
    assert.deepEqual(test.causes, ['m deadline']);
    assert.equal(test.recorded[0]?.result.ok, false);
    await test.engine.stop(0);
  });

  it('for another task than the model has is refused by name', async () => {
    const tensors = modelOf('t', { task: 'tensors' });
    const test = await readyWorld({ models: [modelOf('m'), tensors] });
    assert.equal(refusalOf(() => test.submit({ model: 't' })).code, 'task_unsupported');
    assert.equal(refusalOf(() => test.submit({ model: 'x' })).code, 'model_unknown');
    const work = test.run({ model: 't', work: { kind: 'tensors', inputs: [] } });
    (await test.untilRunning('t')).finishRun({ output: { kind: 'tensors', outputs: [] } });
    assert.equal(await codeOf(work), 'ok');
    await test.engine.stop(0);
  });
});
