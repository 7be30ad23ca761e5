import { z } from 'zod';
import { PRIORITIES } from '../engine/engine.ts';
import type { Rgba } from '../imaging/composite.ts';
import { outputFormats } from '../imaging/output-formats.ts';
import { errorBodyWith, refusal, unsupportedField } from '../messages.ts';
import { readBody } from './body.ts';
import { choice, missingFile, queryOf, readFields } from './fields.ts';
import { jobEndpoints, sendAccepted } from './jobs.ts';
import { readForm } from './multipart.ts';
import { BINARY, fileWith, type Operation, PICTURES } from './operation.ts';
import type { Endpoint, Exchange, Surface } from './surface.ts';
import { type Order, pictureJob, runPicture, sendPicture } from './work.ts';

const COLOUR = '#RRGGBB | #RRGGBBAA';

const cutoutQuery = z.object({
  model: z
    .string()
    .optional()
    .meta({ description: 'Name of the model; the first of the service by default.' }),
  output: choice('cutout', 'mask'),
  format: choice(...outputFormats),
  quality: z
    .string()
    .regex(/^\d{1,3}$/, '1…100')
    .transform(Number)
    .refine((quality) => quality >= 1 && quality <= 100, '1…100')
    .optional()
    .meta({
      type: 'integer',
      minimum: 1,
      maximum: 100,
      description: 'Of jpeg and webp (90 by default) and avif (60); png loses nothing and has none.',
    }),
  alpha: choice('straight', 'premultiplied').meta({
    description: 'straight keeps the colours of the picture; premultiplied is what rembg gives.',
  }),
  background: z
    .string()
    .regex(/^#?([0-9a-f]{6})([0-9a-f]{2})?$/i, COLOUR)
    .optional()
    .meta({ description: 'Colour behind the cut-out, #RRGGBB or #RRGGBBAA with # sent as %23.' }),
  class: z.string().min(1, 'a name').optional().meta({
    description: 'Of a model with classes: which mask. Absent, all that the model gives, from top to bottom.',
  }),
  priority: choice('normal', ...PRIORITIES.filter((priority) => priority !== 'normal')).meta({
    description: 'Whose turn comes first among your own requests.',
  }),
  deadlineSeconds: z
    .string()
    .regex(/^\d{1,4}(\.\d{1,3})?$/, '0.1…3600')
    .transform(Number)
    .refine((seconds) => seconds >= 0.1 && seconds <= 3600, '0.1…3600')
    .optional()
    .meta({ type: 'number', description: 'After which the answer is of no use to you.' }),
});

/** @throws RequestError `field_invalid`, `field_unsupported`, `field_repeated`. */
export function readCutoutQuery(url: string): Omit<Order, 'bytes'> {
  const query = queryOf(url);
  const fields = readFields(cutoutQuery, query);
  for (const field of ['alpha', 'background'])
    if (fields.output === 'mask' && query.has(field)) throw unsupportedField(field, 'with_mask');
  if (fields.quality !== undefined && fields.format === 'png') throw unsupportedField('quality', 'with_png');
  return {
    model: fields.model,
    priority: fields.priority,
    deadlineMs: fields.deadlineSeconds === undefined ? undefined : fields.deadlineSeconds * 1000,
    options: {
      output: fields.output,
      format: fields.format,
      alpha: fields.alpha,
      colours: 'srgb',
      smoothMask: false,
      ...(fields.background === undefined ? {} : { background: colourOf(fields.background) }),
      ...(fields.quality === undefined ? {} : { quality: fields.quality }),
      ...(fields.class === undefined ? {} : { classes: fields.class }),
    },
  };
}

function colourOf(value: string): Rgba {
  const digits = value.replace('#', '').padEnd(8, 'f');
  const number = Number.parseInt(digits, 16);
  return [(number >>> 24) & 255, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];
}

async function readOrder({ request, api }: Exchange): Promise<Order> {
  const asked = readCutoutQuery(request.originalUrl);
  return api.uploads.during(async () => ({ ...asked, bytes: await readPicture(request, api.maxBodyBytes) }));
}

/** The picture is the body itself, or a form's field `file`. */
async function readPicture(request: Exchange['request'], maxBytes: number): Promise<Buffer> {
  const type = request.headers['content-type'] ?? '';
  if (/^image\//i.test(type)) return readBody(request, maxBytes);
  if (!/^multipart\/form-data/i.test(type))
    throw refusal('media_type_unsupported', {
      found: type === '' ? 'of no declared type' : type,
      expected:
        'the picture itself with Content-Type image/jpeg, image/png, image/webp or image/avif, or multipart/form-data with the field file',
    });
  const { fields, files } = await readForm(request, maxBytes);
  const [field] = fields.keys();
  if (field !== undefined) throw unsupportedField(field, 'parameters_in_query');
  const bytes = files.get('file');
  if (bytes === undefined) throw missingFile('file', files.keys());
  return bytes;
}

const body: Operation['body'] = {
  'image/*': BINARY,
  'multipart/form-data': fileWith('file', z.object({})),
};

const cutouts: Endpoint = {
  method: 'POST',
  path: '/v1/cutouts',
  operation: {
    tag: 'cutouts',
    summary: {
      en: 'Remove the background of a picture; with Prefer: respond-async, as a job',
      zh: '去除图片背景；带 Prefer: respond-async 时作为异步任务处理',
    },
    query: cutoutQuery,
    body,
    responses: {
      200: {
        description: 'The cut-out or the mask.',
        content: PICTURES,
      },
      202: { description: 'Taken as a job, whose address is in Location.' },
    },
  },
  async handle(exchange) {
    const order = await readOrder(exchange);
    if (prefersAsync(exchange)) {
      exchange.response.setHeader('preference-applied', 'respond-async');
      sendAccepted(exchange, pictureJob(exchange, order), 'jobs/');
      return;
    }
    sendPicture(exchange, await runPicture(exchange, order), `image/${order.options.format}`);
  },
};

/** RFC 7240 §4.1; other preferences may be ignored, and are. */
function prefersAsync({ request }: Exchange): boolean {
  const prefer = request.headers['prefer'];
  const preferences = (Array.isArray(prefer) ? prefer.join(',') : (prefer ?? '')).split(/[,;]/);
  return preferences.some((preference) => preference.trim().toLowerCase() === 'respond-async');
}

const submit: Endpoint = {
  method: 'POST',
  path: '/v1/jobs',
  operation: {
    tag: 'jobs',
    summary: { en: 'Remove the background of a picture as a job', zh: '以异步任务去除图片背景' },
    query: cutoutQuery,
    body,
    responses: { 202: { description: 'Taken as a job, whose address is in Location.' } },
  },
  async handle(exchange) {
    const order = await readOrder(exchange);
    sendAccepted(exchange, pictureJob(exchange, order), 'jobs/');
  },
};

/** The API of our own: cut-outs at once or as jobs. */
export const native: Surface = {
  prefixes: ['/v1/cutouts', '/v1/jobs'],
  endpoints: [cutouts, submit, ...jobEndpoints],
  errorBody: errorBodyWith,
};
