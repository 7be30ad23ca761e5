import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Inference,
  type Intake,
  startInference,
  startIntake,
  untilReady,
} from '../support/inference.ts';
import { until } from '../support/program.ts';

const SIZE = 8;
const PIXELS = SIZE * SIZE;
const SHAPE = [1, 3, SIZE, SIZE];
const ADMINISTRATOR = { role: 'tenant-admin' } as const;
let intake: Intake;
let server: Inference;
let version: string;

before(async () => {
  intake = await startIntake();
  server = await startInference({
    models: { graph: { width: SIZE, height: SIZE }, cutter: { width: SIZE, height: SIZE } },
    intakeUrl: intake.url,
    spoil: (model) => {
      const [file] = model['files'] as { sha256: string }[];
      if (model['name'] !== 'graph') return;
      version = file?.sha256.slice(0, 12) ?? '';
      model['task'] = 'tensors';
      delete model['pipeline'];
    },
  });
  await untilReady(server);
});

after(async () => {
  await server.stop();
  await intake.close();
});

type Json = Record<string, unknown>;

async function get(path: string): Promise<{ status: number; body: Json }> {
  const response = await server.send(path, { method: 'GET' });
  return { status: response.status, body: (await response.json()) as Json };
}

async function post(
  path: string,
  body: unknown,
  init: { headers?: Record<string, string> } = {},
): Promise<{ status: number; body: Json }> {
  const response = await server.send(path, {
    body: JSON.stringify(body),
    ...init,
    headers: { 'content-type': 'application/json', ...init.headers },
  });
  return { status: response.status, body: (await response.json()) as Json };
}

/** Red, green and blue of 3, 6 and 9 everywhere: the graph gives their mean. */
const values = Array.from({ length: 3 * PIXELS }, (_, index) => 3 * (1 + Math.floor(index / PIXELS)));
const input = { name: 'input', shape: SHAPE, datatype: 'FP32', data: values };

describe('Open Inference Protocol', () => {
  it('says without an assertion whether the server lives and is ready', async () => {
    for (const [path, body] of [
      ['/v2/health/live', { live: true }],
      ['/v2/health/ready', { ready: true }],
    ] as const) {
      const response = await fetch(`${server.url}${path}`);
      assert.deepEqual([response.status, await response.json()], [200, body]);
    }
    assert.equal((await fetch(`${server.url}/v2`)).status, 401);
  });

  it('describes server and models', async () => {
    const about = await get('/v2');
    assert.equal(about.body['name'], 'imageplane');
    assert.ok((about.body['extensions'] as string[]).includes('binary_tensor_data'));
    const expected = {
      name: 'graph',
      versions: [version],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'input', datatype: 'FP32', shape: SHAPE }],
      outputs: [{ name: 'output', datatype: 'FP32', shape: [1, 1, SIZE, SIZE] }],
    };
    assert.deepEqual((await get('/v2/models/graph')).body, expected);
    assert.deepEqual((await get(`/v2/models/graph/versions/${version}`)).body, expected);
    assert.deepEqual((await get('/v2/models/graph/ready')).body, { name: 'graph', ready: true });
    const other = await get('/v2/models/graph/versions/1');
    assert.deepEqual([other.status, Object.keys(other.body)], [404, ['error']]);
    assert.match(String(other.body['error']), new RegExp(version));
    assert.equal((await get('/v2/models/none')).status, 404);
  });

  it('infers from JSON', async () => {
    const { status, body } = await post('/v2/models/graph/infer', { id: 'mine', inputs: [input] });
    assert.equal(status, 200, JSON.stringify(body));
    const { outputs, ...rest } = body;
    assert.deepEqual(rest, { model_name: 'graph', model_version: version, id: 'mine' });
    const [output] = outputs as { name: string; datatype: string; shape: number[]; data: number[] }[];
    assert.deepEqual([output?.name, output?.datatype, output?.shape], ['output', 'FP32', [1, 1, SIZE, SIZE]]);
    assert.ok(output?.data.every((value) => Math.abs(value - 6) < 1e-5));
  });

  it('infers from and to binary data, laid out as the extension says', async () => {
    const { name, shape, datatype } = input;
    const described = { name, shape, datatype };
    const head = Buffer.from(
      JSON.stringify({
        inputs: [{ ...described, parameters: { binary_data_size: values.length * 4 } }],
        outputs: [{ name: 'output', parameters: { binary_data: true } }],
      }),
    );
    const response = await server.send('/v2/models/graph/infer', {
      body: Buffer.concat([head, Buffer.from(Float32Array.from(values).buffer)]),
      headers: {
        'content-type': 'application/octet-stream',
        'inference-header-content-length': String(head.length),
      },
    });
    assert.equal(response.status, 200);
    const bytes = Buffer.from(await response.arrayBuffer());
    const length = Number(response.headers.get('inference-header-content-length'));
    const { outputs } = JSON.parse(bytes.toString('utf8', 0, length)) as {
      outputs: { parameters: { binary_data_size: number } }[];
    };
    assert.equal(outputs[0]?.parameters.binary_data_size, PIXELS * 4);
    assert.equal(bytes.length, length + PIXELS * 4);
    for (let at = length; at < bytes.length; at += 4) assert.ok(Math.abs(bytes.readFloatLE(at) - 6) < 1e-5);
  });

  it('records the job, charged without pictures', async () => {
    const seen = intake.events.size;
    await post('/v2/models/graph/infer', { inputs: [input] });
    await until('the event is delivered', () => intake.events.size > seen);
    const event = [...intake.events.values()].at(-1)?.event;
    assert.deepEqual([event?.model.name, event?.units.images], ['graph', 0]);
    assert.equal(event?.route, '/v2/models/:model/infer');
  });

  it('refuses, in its own shape, what does not fit the graph or is not supported', async () => {
    const cases: [unknown, number, RegExp][] = [
      [{ inputs: [{ ...input, name: 'other' }] }, 400, /other/],
      [
        { inputs: [{ ...input, shape: [1, 3, 4, 4], data: values.slice(0, 48) }] },
        400,
        /shape|\[1, 3, 4, 4\]/,
      ],
      [{ inputs: [{ ...input, datatype: 'INT32' }] }, 400, /INT32/],
      [{ inputs: [{ ...input, data: [1] }] }, 400, /192 elements, and its data 1/],
      [{ inputs: [input], outputs: [{ name: 'none' }] }, 400, /none/],
      [{ inputs: [input], parameters: { sequence_id: 3 } }, 400, /parameters\.sequence_id is not supported/],
      [{}, 400, /inputs/],
    ];
    for (const [request, status, sentence] of cases) {
      const { status: found, body } = await post('/v2/models/graph/infer', request);
      assert.deepEqual([found, Object.keys(body)], [status, ['error']]);
      assert.match(String(body['error']), sentence);
    }
  });

  it('lists, unloads and loads models, for administrators only', async () => {
    const states = async (): Promise<Json> => {
      const { body } = await post('/v2/repository/index', {});
      return Object.fromEntries(
        (body as unknown as { name: string; state: string }[]).map((one) => [one.name, one.state]),
      );
    };
    assert.deepEqual(await states(), { graph: 'READY', cutter: 'READY' });
    const path = '/v2/repository/models/graph';
    assert.equal((await post(`${path}/unload`, {})).status, 403);
    const act = async (verb: string, body: unknown): Promise<number> => {
      const response = await server.send(`${path}/${verb}`, {
        body: JSON.stringify(body),
        principal: ADMINISTRATOR,
      });
      return response.status;
    };
    assert.equal(await act('unload', { parameters: { unload_dependents: false } }), 200);
    assert.deepEqual(await states(), { graph: 'UNAVAILABLE', cutter: 'READY' });
    const { body } = await post('/v2/repository/index', { ready: true });
    assert.deepEqual(
      (body as unknown as { name: string }[]).map(({ name }) => name),
      ['cutter'],
    );
    assert.equal(await act('load', { parameters: { config: '{}' } }), 400);
    assert.equal(await act('load', {}), 200);
    assert.deepEqual(await states(), { graph: 'READY', cutter: 'READY' });
  });
});
