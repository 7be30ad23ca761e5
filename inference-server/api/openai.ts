import { z } from 'zod';
import type { RequestError } from '../../foundation/errors.ts';
import { probeImage } from '../imaging/probe.ts';
import { refusal, unsupportedField } from '../messages.ts';
import { parseJson, readBody } from './body.ts';
import { missingFile, queryOf, readFields } from './fields.ts';
import { readForm } from './multipart.ts';
import { bytesOfDataUrl, editBody, editFields, readEditFields, readImageReference } from './openai-fields.ts';
import { fileWith } from './operation.ts';
import { type Endpoint, type Exchange, pathPart, sendPlain, type Surface } from './surface.ts';
import { type Order, runPicture } from './work.ts';

const image = z.object({ b64_json: z.string() });
const imagesResponse = z.object({
  created: z.int(),
  data: z.array(image),
  background: z.literal('transparent'),
  output_format: z.enum(['png', 'webp']),
  size: z.string(),
});

async function readEdit(exchange: Exchange): Promise<Order> {
  const type = exchange.request.headers['content-type'] ?? '';
  readFields(z.object({}), queryOf(exchange.request.originalUrl));
  return /^application\/json\s*(;|$)/i.test(type) ? readJsonEdit(exchange) : readFormEdit(exchange);
}

async function readFormEdit({ request, api }: Exchange): Promise<Order> {
  const { fields, files } = await readForm(request, api.maxBodyBytes);
  const mask = files.has('mask') ? 'mask' : undefined;
  if (mask !== undefined) throw unsupportedField(mask, 'no_mask');
  const order = readEditFields(fields);
  // The SDKs write the first form for one picture and the second for a list.
  const bytes = files.get('image') ?? files.get('image[]');
  if (bytes === undefined) throw missingFile('image', files.keys());
  return { ...order, bytes };
}

async function readJsonEdit({ request, api, departed }: Exchange): Promise<Order> {
  const body = parseJson((await readBody(request, api.maxBodyBytes)).toString('utf8'));
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw refusal('malformed_json', { problem: 'it is not an object' });
  const { images, ...rest } = body as Record<string, unknown>;
  const order = readEditFields(new Map(Object.entries(rest)));
  const url = readImageReference(images);
  const field = 'images.0.image_url';
  const bytes = bytesOfDataUrl(url, field);
  if (bytes !== undefined) return { ...order, bytes };
  if (api.fetchImage === undefined) throw refusal('remote_images_off', { field });
  return { ...order, bytes: await api.fetchImage(url, field, departed) };
}

const edits: Endpoint = {
  method: 'POST',
  path: '/v1/images/edits',
  operation: {
    tag: 'openai',
    summary: {
      en: 'Remove the background, as an edit of OpenAI’s Images API',
      zh: '去除背景（OpenAI Images API 的编辑接口）',
    },
    body: { 'multipart/form-data': fileWith('image', editFields), 'application/json': editBody },
    responses: {
      200: { description: 'The cut-out.', content: { 'application/json': imagesResponse } },
    },
  },
  async handle(exchange) {
    const { api } = exchange;
    const order = await api.uploads.during(() => readEdit(exchange));
    const { bytes } = await runPicture(exchange, order);
    const { width, height } = probeImage(bytes, Number.MAX_SAFE_INTEGER);
    sendPlain(exchange, {
      created: Math.floor(api.now().getTime() / 1000),
      data: [{ b64_json: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') }],
      background: 'transparent',
      output_format: order.options.format,
      size: `${width}x${height}`,
    });
  },
};

const modelObject = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int(),
  owned_by: z.string(),
});

function describeModel({ api }: Exchange, name: string): z.infer<typeof modelObject> {
  const created = Math.floor(api.startedAt.getTime() / 1000);
  return { id: name, object: 'model', created, owned_by: 'imageplane' };
}

const models: Endpoint = {
  method: 'GET',
  path: '/v1/models',
  operation: {
    tag: 'openai',
    summary: { en: 'The models of this service', zh: '此服务的模型列表' },
    responses: {
      200: {
        description: 'The models.',
        content: {
          'application/json': z.object({ object: z.literal('list'), data: z.array(modelObject) }),
        },
      },
    },
  },
  handle(exchange) {
    const names = exchange.api.engine.models().map(({ name }) => name);
    sendPlain(exchange, { object: 'list', data: names.map((name) => describeModel(exchange, name)) });
    return Promise.resolve();
  },
};

const model: Endpoint = {
  method: 'GET',
  path: '/v1/models/:model',
  operation: {
    tag: 'openai',
    summary: { en: 'One model', zh: '单个模型' },
    responses: { 200: { description: 'The model.', content: { 'application/json': modelObject } } },
  },
  handle(exchange) {
    const { name } = exchange.api.engine.model(pathPart(exchange, 'model'));
    exchange.model = name;
    sendPlain(exchange, describeModel(exchange, name));
    return Promise.resolve();
  },
};

function typeOf({ status }: RequestError): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** OpenAI's Images API, as far as it can mean background removal. */
export const openai: Surface = {
  prefixes: ['/v1/images', '/v1/models'],
  endpoints: [edits, models, model],
  errorStatus: ({ status, code }) => {
    if (code === 'model_unknown') return 404;
    return status === 422 ? 400 : status;
  },
  errorBody: (error, message, requestId) => {
    const field = error.details?.['field'];
    return {
      error: {
        message,
        type: typeOf(error),
        param: typeof field === 'string' ? field : error.code === 'model_unknown' ? 'model' : null,
        code: error.code,
        requestId,
      },
    };
  },
};
