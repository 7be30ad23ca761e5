import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { v7 as newUuid } from 'uuid';
import {
  formWith,
  type Inference,
  type Intake,
  startInference,
  startIntake,
  untilReady,
} from '../support/inference.ts';
import { tinyGraph } from '../support/onnx.ts';
import { until } from '../support/program.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
/** Bytes that nothing but this picture has. */
const picture = await sharp({ create: { width: 32, height: 32, channels: 3, background: '#3355aa' } })
  .png()
  .withMetadata({ exif: { IFD0: { Copyright: 'needle-in-the-picture' } } })
  .toBuffer();

let intake: Intake;
let server: Inference;

before(async () => {
  intake = await startIntake();
  server = await startInference({
    models: { tiny: { width: 16, height: 16 }, rare: { width: 8, height: 8 } },
    intakeUrl: intake.url,
    overrides: { logLevel: 'trace', cache: { maxMiB: 8, ttlSeconds: 600 } },
    spoil: (model) => {
      if (model['name'] === 'rare') model['load'] = 'on-demand';
    },
  });
  await untilReady(server);
});

after(async () => {
  await server.stop();
  await intake.close();
});

const remove = async (
  model: string,
  id = newUuid(),
  headers: Record<string, string> = {},
): Promise<number> => {
  const response = await server.send('/api/remove', { id, headers, body: formWith(picture, { model }) });
  await response.arrayBuffer();
  return response.status;
};

describe('what is recorded of jobs', () => {
  it('is in the log with its trace and times, and nothing of the picture is', async () => {
    const id = newUuid();
    assert.equal(await remove('tiny', id, { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` }), 200);
    const job = (): string | undefined =>
      server.program
        .log()
        .split('\n')
        .find((line) => line.includes('"msg":"job"') && line.includes(id));
    await until('it is logged', () => job() !== undefined);
    const line = JSON.parse(job() ?? '') as Record<string, unknown>;
    assert.deepEqual(
      [line['model'], line['outcome'], line['trace_id'], line['parent_span_id']],
      ['tiny', 'succeeded', TRACE, '00f067aa0ba902b7'],
    );
    assert.match(String(line['span_id']), /^[0-9a-f]{16}$/);
    const log = server.program.log();
    assert.ok(!log.includes('needle-in-the-picture'));
    for (const encoding of ['base64', 'hex', 'latin1'] as const)
      assert.ok(!log.includes(picture.subarray(40, 60).toString(encoding)));
  });

  it('is counted under the usual names, for models that are loaded on demand as well', async () => {
    assert.equal(await server.metric('model_loads_total', 'model="rare"'), 0);
    assert.equal(await remove('rare'), 200);
    assert.equal(await remove('rare'), 200);
    assert.equal(await server.metric('model_loads_total', 'model="rare"'), 1);
    assert.equal(await server.metric('inference_cache_total{model="rare",outcome="miss"}'), 1);
    assert.equal(await server.metric('inference_cache_total{model="rare",outcome="hit"}'), 1);
    assert.equal(await server.metric('inference_pixels_total', 'model="rare"'), 2 * 32 * 32);
    assert.equal(await server.metric('inference_compute_seconds_count', 'model="rare"'), 1);
    assert.equal(await server.metric('inference_queue_seconds_count', 'model="rare"'), 2);
    assert.ok((await server.metric('model_resident_bytes', 'model="rare"')) > 2 ** 20);
    assert.ok((await server.metric('inference_cache_bytes')) > 0);
    assert.equal(await server.metric('inference_waiting'), 0);
    assert.equal(await server.metric('model_loaded{model="rare",execution_provider="cpu"}'), 1);
  });
});

describe('a changed configuration', () => {
  it('gives another version of a model its place at SIGHUP, and no request fails', async () => {
    const bytes = tinyGraph({ width: 16, height: 16, work: 1 });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const path = join(server.folder, 'tiny-2.onnx');
    await writeFile(path, bytes);
    const config = JSON.parse(await readFile(server.program.file, 'utf8')) as {
      models: { files: unknown[] }[];
      cache?: unknown;
    };
    const [model] = config.models;
    assert.ok(model !== undefined);
    model.files = [{ name: 'model.onnx', path, sha256, size: bytes.length }];
    await writeFile(server.program.file, JSON.stringify(config));
    const statuses: number[] = [];
    const ids: string[] = [];
    const replaced = (): boolean => server.program.log().includes('another version of the model is served');
    const clients = Array.from({ length: 3 }, async () => {
      for (let more = 3; more > 0; more -= replaced() ? 1 : 0) {
        const id = newUuid();
        ids.push(id);
        statuses.push(await remove('tiny', id));
      }
    });
    server.program.child.kill('SIGHUP');
    await Promise.all(clients);
    assert.ok(
      statuses.every((status) => status === 200),
      statuses.join(' '),
    );
    await until('all are recorded', () => ids.every((id) => intake.events.has(id)));
    const last = intake.events.get(ids.at(-1) ?? '')?.event;
    assert.equal(last?.model.sha256, sha256);
    assert.equal(await server.metric('child_restarts_total', 'cause="replaced"'), 1);
  });

  it('that is not valid changes nothing', async () => {
    await writeFile(server.program.file, '{ "models": [] }');
    server.program.child.kill('SIGHUP');
    await until('it is said', () => server.program.log().includes('the configuration was not taken'));
    assert.equal(await remove('tiny'), 200);
  });
});
