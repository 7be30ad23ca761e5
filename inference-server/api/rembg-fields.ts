import { z } from 'zod';
import type { RequestError } from '../../foundation/errors.ts';
import type { Rgba } from '../imaging/composite.ts';
import { refusal, unsupportedField } from '../messages.ts';
import type { JobOptions } from '../worker/protocol.ts';
import { invalidField, queryOf, readFields, truth, wholeNumber } from './fields.ts';

/** What rembg takes by POST in the form and by GET in the query, with its defaults. */
const common = z.object({
  model: z
    .string()
    .optional()
    .meta({ description: 'Name of the model; the first of the service by default.' }),
  a: truth.default(false).meta({ description: 'Alpha matting.' }),
  af: wholeNumber(255, '0…255')
    .default(240)
    .meta({ description: 'Above it the mask is certain foreground.' }),
  ab: wholeNumber(255, '0…255').default(10).meta({ description: 'Below it the mask is certain background.' }),
  ae: wholeNumber(10_000, '0…10000').default(10).meta({ description: 'By how many pixels both are eroded.' }),
  om: truth.default(false).meta({ description: 'Only the mask.' }),
  ppm: truth.default(false).meta({ description: 'Smooth the mask, with a hard edge.' }),
  dc: truth.default(false).meta({ description: 'Decontaminate the colours of soft edges.' }),
  vm: truth.default(false).meta({ description: 'ViTMatte. Not supported: only false is taken.' }),
});
/** In the query even of a POST: a slip of rembg's that its clients depend on. */
const queryOnly = z.object({
  bgc: z.string().optional().meta({ description: 'Background colour: r,g,b or r,g,b,a.' }),
  extras: z.string().optional().meta({
    description: 'JSON object. Of rembg’s extras: putalpha (boolean), cc or cloth_category (string).',
  }),
});
export const rembgForm = common;
export const rembgPostQuery = queryOnly;
export const rembgGetQuery = common.extend({
  url: z
    .string({ error: 'http(s)://…' })
    .min(1, 'http(s)://…')
    .meta({ description: 'Where the picture is.' }),
  ...queryOnly.shape,
});

interface Asked {
  model: string | undefined;
  options: JobOptions;
}

/**
 * The meaning of rembg's fields of a POST. What is not supported is refused by its name rather than ignored: a caller
 * must not take another result for the one asked for.
 * @throws RequestError `field_invalid`, `field_unsupported`, `field_repeated`.
 */
export function readRembgForm(form: ReadonlyMap<string, string>, url: string): Asked {
  for (const name of form.keys()) {
    if (Object.hasOwn(queryOnly.shape, name)) throw unsupportedField(name, 'belongs_in_query');
    if (name === 'file') throw invalidField('file', 'a file, with a file name', 'text');
  }
  const query = queryOf(url);
  for (const name of query.keys())
    if (Object.hasOwn(common.shape, name)) throw unsupportedField(name, 'belongs_in_form');
  const known = ['file', ...Object.keys(common.shape)];
  return meaningOf(readFields(common, form, known), readFields(queryOnly, query));
}

/** The same of a GET, where everything is in the query. @throws RequestError as `readRembgForm`, `field_missing`. */
export function readRembgQuery(url: string): Asked & { address: string } {
  const fields = readFields(rembgGetQuery, queryOf(url));
  return { ...meaningOf(fields, fields), address: fields.url };
}

function meaningOf(fields: z.output<typeof common>, { bgc, extras }: z.output<typeof queryOnly>): Asked {
  if (fields.vm) throw unsupportedField('vm', 'no_vitmatte');
  const model = fields.model === '' ? undefined : fields.model;
  if (model === 'sam') throw unsupportedField('model', 'no_sam');
  const background = readBackground(bgc);
  const { putalpha, classes } = readExtras(extras);
  return {
    model,
    options: {
      output: fields.om ? 'mask' : 'cutout',
      format: 'png',
      alpha: putalpha ? 'replaced' : 'premultiplied',
      colours: 'as-stored',
      smoothMask: fields.ppm,
      ...(background === undefined || fields.om ? {} : { background }),
      ...(fields.a && !fields.om
        ? { matting: { foreground: fields.af, background: fields.ab, erode: fields.ae } }
        : {}),
      ...(fields.dc && !fields.om ? { decontaminate: true } : {}),
      ...(classes === undefined ? {} : { classes }),
    },
  };
}

/** `r,g,b` or `r,g,b,a`; empty is none, as in rembg. */
function readBackground(value: string | undefined): Rgba | undefined {
  if (value === undefined || value === '') return undefined;
  const parts = value.split(',').map((part) => part.trim());
  const valid = parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  if (!valid || (parts.length !== 3 && parts.length !== 4))
    throw invalidField('bgc', 'r,g,b[,a] (0…255)', value);
  const [red, green, blue, alpha = 255] = parts.map(Number) as [number, number, number, number?];
  return [red, green, blue, alpha];
}

const extrasObject = z.object({
  putalpha: z.boolean('true | false').default(false),
  cc: z.string('upper | lower | full | attire').optional(),
  cloth_category: z.string('upper | lower | full | attire').optional(),
});

/** rembg hands these to its code as they are, which let callers name files of the server: only what is listed passes. */
function readExtras(value: string | undefined): { putalpha: boolean; classes: string | undefined } {
  if (value === undefined || value === '') return { putalpha: false, classes: undefined };
  const extras = jsonObject(value);
  for (const name of Object.keys(extras))
    if (!Object.hasOwn(extrasObject.shape, name)) throw unknownExtra(name);
  const parsed = extrasObject.safeParse(extras);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0] ?? '');
    throw invalidField(`extras.${name}`, issue?.message ?? '', JSON.stringify(extras[name]));
  }
  const { putalpha, cc, cloth_category: category } = parsed.data;
  // rembg takes an empty one for none, and the first for the stronger.
  const classes = [cc, category].find((name) => name !== undefined && name !== '');
  return { putalpha, classes };
}

function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Said below, as of other values that are no object.
  }
  throw invalidField('extras', 'a JSON object', text);
}

function unknownExtra(name: string): RequestError {
  const field = `extras.${name.slice(0, 80)}`;
  if (name === 'model_path') return unsupportedField(field, 'no_paths');
  if (name === 'sam_prompt') return unsupportedField(field, 'no_sam');
  return refusal('field_unsupported', {
    field,
    reason: 'not_a_field',
    known: Object.keys(extrasObject.shape).join(', '),
  });
}
