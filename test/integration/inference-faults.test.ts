import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import sharp from 'sharp';
import { v7 as newUuid } from 'uuid';
import {
  errorOf,
  formWith,
  type Inference,
  type InferenceOptions,
  type Intake,
  startInference,
  startIntake,
  untilReady,
} from '../support/inference.ts';
import { samples } from '../support/pixels.ts';
import { until } from '../support/program.ts';

const tiny = { width: 64, height: 64 };
/** A second of work or several, long enough to do things to it meanwhile. */
const slow = { width: 64, height: 64, work: 600 };
const picture = await sharp(samples(64 * 64 * 3), { raw: { width: 64, height: 64, channels: 3 } })
  .png()
  .toBuffer();

let intake: Intake;
const started: Inference[] = [];

async function start(options: Omit<InferenceOptions, 'intakeUrl'>): Promise<Inference> {
  const server = await startInference({ ...options, intakeUrl: intake.url });
  started.push(server);
  return server;
}

async function startReady(options: Omit<InferenceOptions, 'intakeUrl'>): Promise<Inference> {
  const server = await start(options);
  await untilReady(server);
  return server;
}

const remove = async (server: Inference, id = newUuid(), model?: string): Promise<Response> =>
  server.send('/api/remove', { id, body: formWith(picture, model === undefined ? {} : { model }) });

async function untilPending(server: Inference, jobs: number): Promise<void> {
  await until(`${jobs} jobs are pending`, async () => (await server.metric('inference_pending')) === jobs);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

beforeEach(async () => {
  intake = await startIntake();
});

afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
  await intake.close();
});

after(() => {
  assert.equal(started.length, 0);
});

describe('a model process', () => {
  it('killed in the middle of a run costs that request a clear 502, and the next is served', async () => {
    const server = await startReady({ models: { slow } });
    const victim = newUuid();
    const answer = remove(server, victim);
    await untilPending(server, 1);
    const pid = server.modelPid('slow');
    process.kill(pid, 'SIGKILL');
    const error = await errorOf(await answer);
    assert.deepEqual([error.status, error.code], [502, 'model_process_died']);
    assert.match(error.message, /ended by SIGKILL.*send the request again/s);
    assert.equal((await remove(server)).status, 200);
    assert.notEqual(server.modelPid('slow'), pid);
    assert.equal(await server.metric('child_restarts_total', 'cause="died"'), 1);
    await until(
      'its usage is delivered',
      () => intake.events.get(victim)?.event.code === 'model_process_died',
    );
  });

  it('that is over its deadline is killed, the request answered 504, and another model is not disturbed', async () => {
    const server = await startReady({
      models: { tiny, slow },
      overrides: { queue: { depth: 4, deadlineSeconds: 0.5 } },
    });
    const late = newUuid();
    const answer = remove(server, late, 'slow');
    assert.equal((await remove(server, newUuid(), 'tiny')).status, 200);
    const error = await errorOf(await answer);
    assert.deepEqual([error.status, error.code], [504, 'deadline_exceeded']);
    assert.match(error.message, /0\.5 s/);
    await until('its usage is delivered', () => intake.events.get(late)?.event.outcome === 'timed_out');
    await untilReady(server);
    assert.equal(await server.metric('child_restarts_total', 'cause="deadline"'), 1);
  });

  it('dies with its server, even in the middle of a run', async () => {
    const server = await startReady({ models: { tiny, slow } });
    const pids = [server.modelPid('tiny'), server.modelPid('slow')];
    const answer = remove(server, newUuid(), 'slow').catch(() => undefined);
    await untilPending(server, 1);
    await server.program.stop('SIGKILL');
    await until('no model process is left', () => !pids.some(alive));
    await answer;
  });

  it('is given only files that are the ones of their manifest, and the server says which is not', async () => {
    const server = await start({
      models: { tiny },
      spoil: (model) => {
        const [file] = model['files'] as { sha256: string }[];
        if (file !== undefined) file.sha256 = '0'.repeat(64);
      },
    });
    await until(
      'the problem is named',
      async () => (await server.ready()).body.problems[0]?.code === 'model_digest_mismatch',
    );
    const { status, body } = await server.ready();
    assert.equal(status, 503);
    assert.match(body.problems[0]?.message ?? '', /tiny\.onnx.*sha256.*not loaded/s);
    const error = await errorOf(await remove(server));
    assert.deepEqual([error.status, error.code], [503, 'model_not_ready']);
  });

  it('never falls back to another execution provider than the one asked for', async () => {
    const server = await start({ models: { tiny }, overrides: { executionProvider: 'cuda' } });
    await until(
      'the problem is named',
      async () => (await server.ready()).body.problems[0]?.code === 'model_not_loaded',
    );
    assert.match((await server.ready()).body.problems[0]?.message ?? '', /execution provider cuda/);
  });
});

describe('the queue of a model', () => {
  it('refuses what it has no room for, at once, and does what it has taken', async () => {
    const server = await startReady({ models: { slow }, overrides: { queue: { depth: 1 } } });
    const first = remove(server);
    await untilPending(server, 1);
    const second = remove(server);
    await untilPending(server, 2);
    const refused = await remove(server);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    assert.deepEqual([refused.status, (await errorOf(refused)).code], [503, 'queue_full']);
    assert.deepEqual([(await first).status, (await second).status], [200, 200]);
  });

  it('drops what waits for a client that has left', async () => {
    const server = await startReady({ models: { slow } });
    const first = remove(server);
    await untilPending(server, 1);
    const gone = newUuid();
    const leave = new AbortController();
    const second = server
      .send('/api/remove', { id: gone, body: formWith(picture), signal: leave.signal })
      .catch((error: unknown) => error);
    await untilPending(server, 2);
    leave.abort();
    await untilPending(server, 1);
    assert.equal((await first).status, 200);
    assert.ok((await second) instanceof Error);
    await until('its event is delivered', () => intake.events.get(gone)?.event.outcome === 'cancelled');
    assert.equal(intake.events.get(gone)?.event.units.computeMs, 0);
  });
});

describe('stopping', () => {
  it('finishes what is under way, delivers its usage, and leaves no process', async () => {
    const server = await startReady({ models: { slow } });
    const pid = server.modelPid('slow');
    const id = newUuid();
    const answer = remove(server, id);
    await untilPending(server, 1);
    const code = server.program.stop('SIGTERM');
    assert.equal((await answer).status, 200);
    assert.equal(await code, 0);
    assert.ok(intake.events.has(id));
    await until('the model process is gone', () => !alive(pid));
  });

  it('tells what it cannot finish within its grace to come again', async () => {
    const server = await startReady({ models: { slow }, overrides: { queue: { depth: 100 } } });
    const answers = Array.from({ length: 40 }, async () => remove(server));
    await untilPending(server, 40);
    assert.equal(await server.program.stop('SIGTERM'), 0);
    const responses = await Promise.all(answers);
    assert.ok(responses.some(({ status }) => status === 200));
    const last = responses.find(({ status }) => status !== 200);
    assert.ok(last !== undefined);
    assert.deepEqual([last.status, (await errorOf(last)).code], [503, 'server_stopping']);
    assert.ok(responses.every(({ status }) => status === 200 || status === 503));
  });
});

describe('the usage outbox', () => {
  it('survives an intake that is away and a server that is killed, and loses and doubles nothing', async () => {
    const server = await startReady({ models: { tiny } });
    intake.answer = 'fail';
    const ids = Array.from({ length: 12 }, () => newUuid());
    for (const id of ids) assert.equal((await remove(server, id)).status, 200);
    assert.equal(await server.metric('usage_outbox_pending'), ids.length);
    assert.equal((await server.ready()).status, 200);
    await server.restart('SIGKILL');
    await untilReady(server);
    assert.equal(await server.metric('usage_outbox_pending'), ids.length);
    intake.answer = 'accept';
    await until('all is delivered', async () => (await server.metric('usage_outbox_pending')) === 0);
    assert.deepEqual([...intake.events.keys()].sort(), [...ids].sort());
    assert.ok(ids.every((id) => intake.events.get(id)?.event.outcome === 'succeeded'));
  });

  it('stops the server from working for nothing when it is full, and says so', async () => {
    const server = await startReady({ models: { tiny } });
    const token = join(server.folder, 'token');
    intake.answer = 'fail';
    await server.stop();
    started.pop();
    const full = await startReady({
      models: { tiny },
      overrides: {
        usage: { url: intake.url, tokenFile: token, outbox: join(server.folder, 'outbox'), maxBytes: 1 },
      },
    });
    assert.equal((await remove(full)).status, 200);
    const error = await errorOf(await remove(full));
    assert.deepEqual([error.status, error.code], [503, 'usage_outbox_full']);
    const { status, body } = await full.ready();
    assert.deepEqual([status, body.problems[0]?.code], [503, 'usage_outbox_full']);
  });

  it('sets aside what the intake rejects, with the reason, and goes on', async () => {
    const server = await startReady({ models: { tiny } });
    intake.answer = 'reject';
    const unwanted = newUuid();
    await remove(server, unwanted);
    await until('it is set aside', async () => (await server.metric('usage_outbox_pending')) === 0);
    const [line] = (await readFile(join(server.outbox, 'rejected.ndjson'), 'utf8')).split('\n');
    const aside = JSON.parse(line ?? '') as { reason: string; event: { id: string } };
    assert.deepEqual([aside.reason, aside.event.id], ['not wanted', unwanted]);
    intake.answer = 'accept';
    const wanted = newUuid();
    await remove(server, wanted);
    await until('the next is delivered', () => intake.events.has(wanted));
  });
});
