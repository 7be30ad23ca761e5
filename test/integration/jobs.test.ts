import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { v7 as newUuid } from 'uuid';
import {
  errorOf,
  type Inference,
  type Intake,
  startInference,
  startIntake,
  untilReady,
} from '../support/inference.ts';
import { until } from '../support/program.ts';

const SIZE = 64;
let intake: Intake;
let server: Inference;
let picture: Buffer;

before(async () => {
  const data = Buffer.alloc(SIZE * SIZE * 3);
  for (let i = 0; i < SIZE * SIZE; i++) data.fill(i % SIZE < SIZE / 2 ? 20 : 220, i * 3, i * 3 + 3);
  picture = await sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .png()
    .toBuffer();
  intake = await startIntake();
  server = await startInference({
    models: { tiny: { width: SIZE, height: SIZE }, slow: { width: SIZE, height: SIZE, work: 60 } },
    intakeUrl: intake.url,
  });
  await untilReady(server);
});

after(async () => {
  await server.stop();
  await intake.close();
});

async function isCutout(bytes: Uint8Array): Promise<void> {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height, info.channels], [SIZE, SIZE, 4]);
  assert.deepEqual([data[3], data.at(-1)], [0, 255]);
}

describe('jobs', () => {
  interface View {
    id: string;
    state: string;
    error?: { code: string; message: string };
  }
  const submit = (
    target: string,
    init: { id?: string; body?: Uint8Array<ArrayBuffer>; headers?: Record<string, string> } = {},
  ): Promise<Response> =>
    server.send(target, {
      body: Uint8Array.from(picture),
      ...init,
      headers: { 'content-type': 'image/png', ...init.headers },
    });
  const look = async (id: string): Promise<View> =>
    (await (await server.send(`/v1/jobs/${id}`, { method: 'GET' })).json()) as View;
  const EVE = { id: 'user:eve', name: 'Eve' };

  it('are taken with 202 and an address, and give their result there', async () => {
    const id = newUuid();
    const taken = await submit('/v1/jobs?format=webp&model=tiny', { id });
    assert.deepEqual([taken.status, taken.headers.get('location')], [202, `jobs/${id}`]);
    assert.equal(((await taken.json()) as View).id, id);
    await until('the job is done', async () => (await look(id)).state === 'succeeded');
    const result = await server.send(`/v1/jobs/${id}/result`, { method: 'GET' });
    assert.equal(result.headers.get('content-type'), 'image/webp');
    await isCutout(new Uint8Array(await result.arrayBuffer()));
    await until('its usage is delivered', () => intake.events.has(id));
    assert.equal(intake.events.get(id)?.event.route, '/v1/jobs');
  });

  it('are made of a cut-out by Prefer: respond-async', async () => {
    const id = newUuid();
    const taken = await submit('/v1/cutouts', { id, headers: { prefer: 'respond-async, wait=10' } });
    assert.equal(taken.status, 202);
    assert.equal(taken.headers.get('preference-applied'), 'respond-async');
    const address = new URL(taken.headers.get('location') ?? '', `${server.url}/v1/cutouts`);
    assert.equal(address.pathname, `/v1/jobs/${id}`);
    await until('the job is done', async () => (await look(id)).state === 'succeeded');
  });

  it('can be followed by events, the last of which says how it ended', async () => {
    const id = newUuid();
    await submit('/v1/jobs?model=slow', { id });
    const stream = await server.send(`/v1/jobs/${id}/events`, { method: 'GET' });
    assert.match(stream.headers.get('content-type') ?? '', /^text\/event-stream/);
    const events = (await stream.text()).split('\n\n').filter((text) => text.startsWith('id: '));
    const states = events.map((text) => (JSON.parse(text.split('data: ')[1] ?? '') as View).state);
    assert.ok(events.every((text, at) => text.startsWith(`id: ${at + 1}\nevent: state\ndata: `)));
    assert.equal(states.at(-1), 'succeeded');
  });

  it('are followed by a bounded number of streams, which ends with those who leave', async () => {
    // The last of them is still waiting when every stream has asked.
    const slow = Array.from({ length: 8 }, () => newUuid());
    for (const id of slow) await submit('/v1/jobs?model=slow', { id });
    const leave = new AbortController();
    const target = `/v1/jobs/${slow.at(-1) ?? ''}/events`;
    const follow = (): Promise<Response> => server.send(target, { method: 'GET', signal: leave.signal });
    const answers = await Promise.all(Array.from({ length: 25 }, follow));
    const refused = answers.filter(({ status }) => status === 503);
    assert.equal(refused.length, 5);
    assert.equal((await errorOf(refused[0] ?? assert.fail())).code, 'too_many_streams');
    leave.abort();
    await Promise.all(slow.map((id) => server.send(`/v1/jobs/${id}`, { method: 'DELETE' })));
    await until('another can follow', async () => {
      const response = await server.send(target, { method: 'GET' });
      await response.text();
      return response.status === 200;
    });
  });

  it('are seen, followed, fetched and cancelled by who sent them alone', async () => {
    const id = newUuid();
    await submit('/v1/jobs', { id });
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/events'],
      ['GET', '/result'],
      ['DELETE', ''],
    ] as const) {
      const response = await server.send(`/v1/jobs/${id}${path}`, { method, principal: EVE });
      assert.deepEqual((await errorOf(response)).code, 'job_unknown');
    }
    const list = async (principal = {}): Promise<string[]> => {
      const response = await server.send('/v1/jobs', { method: 'GET', principal });
      return ((await response.json()) as { jobs: View[] }).jobs.map((job) => job.id);
    };
    assert.equal((await list())[0], id);
    assert.deepEqual(await list(EVE), []);
  });

  it('have no result before they are done, and say why they have none after', async () => {
    const id = newUuid();
    await submit('/v1/jobs?model=slow', { id });
    const early = await server.send(`/v1/jobs/${id}/result`, { method: 'GET' });
    const { status, code } = await errorOf(early);
    assert.deepEqual([status, code, early.headers.get('retry-after')], [409, 'job_not_done', '1']);
    const cut = newUuid();
    await submit('/v1/jobs', { id: cut, body: Uint8Array.from(picture.subarray(0, picture.length - 40)) });
    await until('it has failed', async () => (await look(cut)).state === 'failed');
    assert.equal((await look(cut)).error?.code, 'image_damaged');
    const failed = await server.send(`/v1/jobs/${cut}/result`, { method: 'GET' });
    assert.deepEqual([failed.status, (await errorOf(failed)).code], [422, 'image_damaged']);
  });

  it('are cancelled by DELETE', async () => {
    const ids = [newUuid(), newUuid(), newUuid()];
    for (const id of ids) await submit('/v1/jobs?model=slow', { id });
    const last = ids[2] ?? '';
    const cancelled = await server.send(`/v1/jobs/${last}`, { method: 'DELETE' });
    assert.equal(cancelled.status, 200);
    await until('it is cancelled', async () => (await look(last)).state === 'cancelled');
    await until('its usage says so', () => intake.events.get(last)?.event.outcome === 'cancelled');
  });
});
