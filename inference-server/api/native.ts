import type { Rgba } from '../imaging/composite.ts';
import { outputFormats } from '../imaging/output-formats.ts';
import { errorBodyOf, RequestError } from '../../foundation/errors.ts';
import type { JobOptions } from '../worker/protocol.ts';
import { readBody } from './body.ts';
import { invalidField, missingFile, oneOf, queryOf, unsupportedField } from './fields.ts';
import { readForm } from './multipart.ts';
import type { Surface } from './surface.ts';

const QUERY = ['model', 'output', 'format', 'quality', 'alpha', 'background'] as const;

/** `POST /v1/cutouts`: the picture as the body itself or in a form's field `file`, the rest in the query. */
export const native: Surface = {
  route: '/v1/cutouts',
  async read(request, maxBytes) {
    const { model, options } = readCutoutQuery(request.originalUrl);
    return { model, options, bytes: await readPicture(request, maxBytes) };
  },
  errorBody: errorBodyOf,
};

async function readPicture(request: Parameters<Surface['read']>[0], maxBytes: number): Promise<Buffer> {
  const type = request.headers['content-type'] ?? '';
  if (/^image\//i.test(type)) return readBody(request, maxBytes);
  if (!/^multipart\/form-data/i.test(type))
    throw new RequestError(
      415,
      'media_type_unsupported',
      `The body is ${type === '' ? 'of no declared type' : `declared as ${type}`}. Send the picture itself with Content-Type image/jpeg, image/png, image/webp or image/avif, or multipart/form-data with the field file.`,
    );
  const { fields, files } = await readForm(request, maxBytes);
  const [field] = fields.keys();
  if (field !== undefined) throw unsupportedField(field, 'as a form field; parameters belong in the query');
  const bytes = files.get('file');
  if (bytes === undefined) throw missingFile('file', files.keys());
  return bytes;
}

/** @throws RequestError `field_invalid`, `field_unsupported`, `field_repeated`. */
export function readCutoutQuery(url: string): { model: string | undefined; options: JobOptions } {
  const query = queryOf(url, QUERY);
  const output = oneOf('output', query.get('output'), ['cutout', 'mask']);
  const background = readColour(query.get('background'));
  const quality = readQuality(query.get('quality'));
  for (const field of ['alpha', 'background'])
    if (output === 'mask' && query.has(field)) throw unsupportedField(field, 'together with output=mask');
  return {
    model: query.get('model'),
    options: {
      output,
      format: oneOf('format', query.get('format'), outputFormats),
      alpha: oneOf('alpha', query.get('alpha'), ['straight', 'premultiplied']),
      colours: 'srgb',
      smoothMask: false,
      ...(background === undefined ? {} : { background }),
      ...(quality === undefined ? {} : { quality }),
    },
  };
}

function readQuality(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const quality = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (quality < 1 || quality > 100) throw invalidField('quality', 'a whole number from 1 to 100', value);
  return quality;
}

function readColour(value: string | undefined): Rgba | undefined {
  if (value === undefined) return undefined;
  const digits = /^#?([0-9a-f]{6})([0-9a-f]{2})?$/i.exec(value);
  if (digits === null) throw invalidField('background', '#RRGGBB or #RRGGBBAA, with # sent as %23', value);
  const number = Number.parseInt(`${digits[1] ?? ''}${digits[2] ?? 'ff'}`, 16);
  return [(number >>> 24) & 255, (number >>> 16) & 255, (number >>> 8) & 255, number & 255];
}
