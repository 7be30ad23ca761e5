import { z } from 'zod';
import { refusal, type Reason, unsupportedField } from '../messages.ts';
import type { JobOptions } from '../worker/protocol.ts';
import { choice, readFields } from './fields.ts';

/**
 * What of OpenAI's `POST /v1/images/edits` has a meaning for removing a background. In a form every value is text; in
 * JSON, numbers and truth values are themselves.
 */
export const editFields = z.object({
  model: z.string('a name').optional(),
  prompt: z.string('text').default('').meta({
    description: 'Empty, or a wish to remove the background: no model here follows other instructions.',
  }),
  n: z.coerce
    .number('1')
    .refine((n) => n === 1, '1')
    .default(1),
  size: choice('auto'),
  quality: choice('auto'),
  background: choice('auto', 'transparent').meta({ description: 'Both give a transparent background.' }),
  output_format: choice('png', 'webp'),
  response_format: choice('b64_json'),
  moderation: choice('auto'),
  stream: z
    .union([z.literal(false), z.literal('false')], 'false')
    .default(false)
    .meta({ type: 'boolean' }),
});

/** Fields that OpenAI's own server knows, and why they cannot be had here. */
const UNSUPPORTED: Readonly<Record<string, Reason>> = {
  mask: 'no_mask',
  input_fidelity: 'no_generation',
  style: 'no_generation',
  output_compression: 'no_compression',
  partial_images: 'no_stream',
  user: 'no_parameter',
};

/** Wishes that are exactly what this service does, in English and Chinese. */
const REMOVE_BACKGROUND =
  /^(please )?(remove|erase|delete|cut out)( the| its)? (image )?background( of (the|this) (image|picture|photo))?[.!]?$|^(请)?(去除|移除|去掉|删除|抠除)(图片|图像|照片)?(的)?背景[。！]?$|^抠图[。！]?$/iu;

/** @throws RequestError `field_unsupported`, `field_invalid`, `field_missing`, `prompt_unsupported`. */
export function readEditFields(values: ReadonlyMap<string, unknown>): {
  model: string | undefined;
  options: JobOptions;
} {
  for (const name of values.keys()) {
    const reason = Object.hasOwn(UNSUPPORTED, name) ? UNSUPPORTED[name] : undefined;
    if (reason !== undefined) throw unsupportedField(name, reason);
    if (name === 'response_format' && values.get(name) === 'url') throw unsupportedField(name, 'no_links');
    if (name === 'stream' && String(values.get(name)) === 'true') throw unsupportedField(name, 'no_stream');
  }
  const fields = readFields(editFields, values);
  const prompt = fields.prompt.trim();
  if (prompt !== '' && !REMOVE_BACKGROUND.test(prompt))
    throw refusal('prompt_unsupported', { field: 'prompt' });
  return {
    model: fields.model === '' ? undefined : fields.model,
    options: {
      output: 'cutout',
      format: fields.output_format,
      alpha: 'straight',
      colours: 'srgb',
      smoothMask: false,
    },
  };
}

const imageReference = z.strictObject({
  image_url: z.string('data:image/…;base64,… | https://…').optional(),
  file_id: z.string().optional(),
});

/** The JSON form of an edit. */
export const editBody = editFields.extend({ images: z.array(imageReference).length(1) });

/** Where the one picture of a JSON edit is. @throws RequestError `field_missing`, `field_invalid`, `field_unsupported`. */
export function readImageReference(images: unknown): string {
  if (images === undefined)
    throw refusal('field_missing', { field: 'images', expected: '[{"image_url": …}]', instead: '' });
  if (Array.isArray(images) && images.length > 1) throw unsupportedField('images', 'one_picture');
  const parsed = z.tuple([imageReference]).safeParse(images);
  if (!parsed.success)
    throw refusal('field_invalid', {
      field: 'images',
      allowed: '[{"image_url": …}]',
      found: 'something else',
    });
  const [{ image_url: url, file_id: file }] = parsed.data;
  if (file !== undefined) throw unsupportedField('images.0.file_id', 'no_files');
  if (url === undefined)
    throw refusal('field_missing', {
      field: 'images.0.image_url',
      expected: 'data:image/…;base64,…',
      instead: '',
    });
  return url;
}

/** The bytes of `data:image/…;base64,…`; undefined of another address. @throws RequestError `field_invalid`. */
export function bytesOfDataUrl(url: string, field: string): Buffer | undefined {
  if (!/^data:/i.test(url)) return undefined;
  const head = /^data:image\/[a-z0-9.+-]+;base64,/i.exec(url.slice(0, 100))?.[0];
  const text = head === undefined ? '' : url.slice(head.length);
  if (head === undefined || text === '' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw refusal('field_invalid', {
      field,
      allowed: 'data:image/…;base64,…',
      found: JSON.stringify(`${url.slice(0, 40)}…`),
    });
  return Buffer.from(text, 'base64');
}
