import { z } from 'zod';
import type { Engine, ModelState, NamedTensor } from '../engine/engine.ts';
import { refusal, unsupportedField } from '../messages.ts';
import { readBody, readJson } from './body.ts';
import { inferenceRequest, type Inference, readInference, refuseParameters } from './inference-request.ts';
import { type Endpoint, type Exchange, pathPart, sendPlain, type Surface } from './surface.ts';
import { DATATYPES, tensorToJson } from './tensors.ts';
import { jobOf } from './work.ts';

/** Numbers in JSON keep the HTTP process busy while they are read: many of them are sent as binary data. */
const MAX_JSON_BYTES = 8 * 1024 * 1024;
const MAX_SMALL_JSON_BYTES = 64 * 1024;
const HEADER_LENGTH = 'inference-header-content-length';
const TAG = 'inference-protocol';
const EXTENSIONS = ['binary_tensor_data', 'model_repository', 'schedule_policy'];

const healthy = (key: 'live' | 'ready'): Endpoint => ({
  method: 'GET',
  path: `/v2/health/${key}`,
  open: true,
  operation: {
    tag: TAG,
    summary:
      key === 'live'
        ? { en: 'Whether the server runs', zh: '服务器是否运行' }
        : { en: 'Whether it takes work', zh: '服务器是否可接受任务' },
    responses: {
      200: { description: 'It is.', content: { 'application/json': z.object({ [key]: z.boolean() }) } },
    },
  },
  handle(exchange) {
    const fine = key === 'live' || exchange.api.engine.problems().length === 0;
    sendPlain(exchange, { [key]: fine }, fine ? 200 : 400);
    return Promise.resolve();
  },
});

const server: Endpoint = {
  method: 'GET',
  path: '/v2',
  operation: {
    tag: TAG,
    summary: { en: 'What server this is', zh: '服务器信息' },
    responses: {
      200: {
        description: 'Name, version and extensions.',
        content: {
          'application/json': z.object({
            name: z.string(),
            version: z.string(),
            extensions: z.array(z.string()),
          }),
        },
      },
    },
  },
  handle(exchange) {
    sendPlain(exchange, { name: 'imageplane', version: exchange.api.version, extensions: EXTENSIONS });
    return Promise.resolve();
  },
};

const VERSION_DIGITS = 12;

/** A model's version is the beginning of its file's digest: another file is another version. */
function versionOf({ sha256 }: ModelState): string {
  return sha256.slice(0, VERSION_DIGITS);
}

/** @throws RequestError `model_unknown`, also for a version that is not served. */
function modelIn(exchange: Exchange): ModelState {
  const { engine } = exchange.api;
  const model = engine.model(pathPart(exchange, 'model'));
  exchange.model = model.name;
  const version = pathPart(exchange, 'version');
  if (version !== '' && version !== versionOf(model))
    throw refusal('model_version_unknown', { model: model.name, version: versionOf(model) });
  return model;
}

/** The endpoint, and the same for a version by name. */
function alsoByVersion(endpoint: Endpoint): Endpoint[] {
  const path = endpoint.path.replace('/:model', '/:model/versions/:version');
  return [endpoint, { ...endpoint, path }];
}

const tensorSpec = z.object({ name: z.string(), datatype: z.enum(DATATYPES), shape: z.array(z.int()) });

const metadata: Endpoint = {
  method: 'GET',
  path: '/v2/models/:model',
  operation: {
    tag: TAG,
    summary: { en: 'What the graph of a model takes and gives', zh: '模型计算图的输入与输出' },
    responses: {
      200: {
        description: 'Inputs and outputs; -1 is a size that may vary.',
        content: {
          'application/json': z.object({
            name: z.string(),
            versions: z.array(z.string()),
            platform: z.literal('onnx_onnxv1'),
            inputs: z.array(tensorSpec),
            outputs: z.array(tensorSpec),
          }),
        },
      },
    },
  },
  async handle(exchange) {
    const model = modelIn(exchange);
    const { inputs, outputs } = await exchange.api.engine.metadata(model.name);
    const versions = [versionOf(model)];
    sendPlain(exchange, { name: model.name, versions, platform: 'onnx_onnxv1', inputs, outputs });
  },
};

const ready: Endpoint = {
  method: 'GET',
  path: '/v2/models/:model/ready',
  operation: {
    tag: TAG,
    summary: { en: 'Whether a model takes work at once', zh: '模型是否已就绪' },
    responses: {
      200: {
        description: 'It does.',
        content: { 'application/json': z.object({ name: z.string(), ready: z.boolean() }) },
      },
    },
  },
  handle(exchange) {
    const model = modelIn(exchange);
    const isReady = model.state === 'ready';
    sendPlain(exchange, { name: model.name, ready: isReady }, isReady ? 200 : 400);
    return Promise.resolve();
  },
};

async function readInferenceBody({ request, api }: Exchange): Promise<Inference> {
  const header = request.headers[HEADER_LENGTH];
  if (header === undefined) {
    const body = await readBody(request, Math.min(MAX_JSON_BYTES, api.maxBodyBytes));
    return readInference(body, body.length);
  }
  const length =
    typeof header === 'string' && /^\d{1,10}$/.test(header) ? Number(header) : MAX_JSON_BYTES + 1;
  if (length > MAX_JSON_BYTES)
    throw refusal('field_invalid', {
      field: HEADER_LENGTH,
      allowed: `0…${MAX_JSON_BYTES}`,
      found: JSON.stringify(header).slice(0, 80),
    });
  return readInference(await readBody(request, api.maxBodyBytes), length);
}

const infer: Endpoint = {
  method: 'POST',
  path: '/v2/models/:model/infer',
  operation: {
    tag: TAG,
    summary: { en: 'Run a graph on tensors', zh: '以张量运行计算图' },
    body: { 'application/json': inferenceRequest },
    responses: {
      200: {
        description: 'The outputs, in JSON or, where asked for, as binary data behind it.',
        content: {
          'application/json': z.object({
            model_name: z.string(),
            model_version: z.string(),
            id: z.string(),
            outputs: z.array(tensorSpec.extend({ data: z.array(z.unknown()).optional() })),
          }),
        },
      },
    },
  },
  async handle(exchange) {
    const model = modelIn(exchange);
    const { api, caller } = exchange;
    const asked = await api.uploads.during(() => readInferenceBody(exchange));
    const { inputs, outputs } = asked;
    const work = { kind: 'tensors', inputs, ...(outputs === undefined ? {} : { outputs }) } as const;
    const job = jobOf(exchange, work, { ...asked, model: model.name });
    const result = await api.engine.run(job, { signal: exchange.departed });
    if (!result.ok) throw result.error;
    if (result.output.kind !== 'tensors') throw new Error('the job gave no tensors');
    const head = {
      model_name: model.name,
      model_version: result.model.sha256.slice(0, VERSION_DIGITS),
      id: asked.id ?? caller.requestId,
    };
    sendOutputs(exchange, head, result.output.outputs, asked.binary);
  },
};

function sendOutputs(
  exchange: Exchange,
  head: Record<string, string>,
  tensors: readonly NamedTensor[],
  binary: Inference['binary'],
): void {
  const tail = tensors.filter(({ name }) => binary(name)).map(({ data }) => data);
  const outputs = tensors.map((tensor) => {
    const { name, datatype, shape, data } = tensor;
    const common = { name, datatype, shape };
    return binary(name)
      ? { ...common, parameters: { binary_data_size: data.byteLength } }
      : { ...common, data: tensorToJson(tensor) };
  });
  if (tail.length === 0) {
    sendPlain(exchange, { ...head, outputs });
    return;
  }
  const json = Buffer.from(JSON.stringify({ ...head, outputs }));
  const length = tail.reduce((sum, { byteLength }) => sum + byteLength, json.length);
  exchange.response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': length,
    'inference-header-content-length': json.length,
    'cache-control': 'no-store',
  });
  exchange.response.write(json);
  for (const data of tail) exchange.response.write(data);
  exchange.response.end();
}

const STATES: Readonly<Record<ModelState['state'], string>> = {
  unloaded: 'UNAVAILABLE',
  loading: 'LOADING',
  ready: 'READY',
  draining: 'UNLOADING',
  failed: 'UNAVAILABLE',
};

function indexEntry(model: ModelState): Record<string, string> {
  const reason = model.problem?.message ?? (model.state === 'unloaded' ? 'unloaded' : '');
  return { name: model.name, version: versionOf(model), state: STATES[model.state], reason };
}

const index: Endpoint = {
  method: 'POST',
  path: '/v2/repository/index',
  operation: {
    tag: TAG,
    summary: { en: 'The models and their states', zh: '模型及其状态' },
    body: { 'application/json': z.object({ ready: z.boolean().optional() }) },
    responses: {
      200: {
        description: 'The models.',
        content: {
          'application/json': z.array(
            z.object({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() }),
          ),
        },
      },
    },
  },
  async handle(exchange) {
    const body = await readJson(exchange.request, MAX_SMALL_JSON_BYTES);
    const parsed = z.strictObject({ ready: z.boolean().optional() }).safeParse(body);
    if (!parsed.success) throw refusal('malformed_json', { problem: z.prettifyError(parsed.error) });
    const models = exchange.api.engine.models();
    const wanted = parsed.data.ready === true ? models.filter(({ state }) => state === 'ready') : models;
    sendPlain(exchange, wanted.map(indexEntry));
  },
};

/** Changes what is in memory for everybody of the service. */
function forAdministrators({ caller }: Exchange): void {
  if (caller.role !== 'tenant-admin' && caller.role !== 'platform-admin') throw refusal('role_insufficient');
}

function repository(
  verb: 'load' | 'unload',
  summary: Endpoint['operation']['summary'],
  act: (engine: Engine, model: string) => Promise<void>,
): Endpoint {
  return {
    method: 'POST',
    path: `/v2/repository/models/:model/${verb}`,
    operation: { tag: TAG, summary, responses: { 200: { description: 'Done.' } } },
    async handle(exchange) {
      forAdministrators(exchange);
      const { name } = modelIn(exchange);
      const body = await readJson(exchange.request, MAX_SMALL_JSON_BYTES);
      refuseConfiguration(body);
      await act(exchange.api.engine, name);
      sendPlain(exchange, {});
    },
  };
}

/** Clients send `unload_dependents: false` with every unload; everything else would configure a model. */
function refuseConfiguration(body: unknown): void {
  const parsed = z
    .strictObject({ parameters: z.record(z.string(), z.unknown()).default({}) })
    .safeParse(body);
  if (!parsed.success) throw refusal('malformed_json', { problem: z.prettifyError(parsed.error) });
  const { unload_dependents: dependents, config, ...others } = parsed.data.parameters;
  if (config !== undefined) throw unsupportedField('parameters.config', 'no_configuration');
  if (dependents !== undefined && dependents !== false)
    throw unsupportedField('parameters.unload_dependents', 'no_parameter');
  refuseParameters('', others);
}

/** Open Inference Protocol v2, with Triton's extensions of binary data, model repository and scheduling. */
export const inferenceProtocol: Surface = {
  prefixes: ['/v2'],
  endpoints: [
    healthy('live'),
    healthy('ready'),
    server,
    ...alsoByVersion(metadata),
    ...alsoByVersion(ready),
    ...alsoByVersion(infer),
    index,
    repository('load', { en: 'Load a model', zh: '加载模型' }, (engine, model) => engine.load(model)),
    repository('unload', { en: 'Unload a model', zh: '卸载模型' }, (engine, model) => engine.unload(model)),
  ],
  errorStatus: ({ status, code }) => {
    if (code === 'model_unknown') return 404;
    return status === 422 ? 400 : status;
  },
  errorBody: (_error, message) => ({ error: message }),
};
