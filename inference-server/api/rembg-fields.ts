import { invalidField, queryOf, unsupportedField } from './fields.ts';
import type { Rgba } from '../imaging/composite.ts';
import type { JobOptions } from '../worker/protocol.ts';

const FORM_FIELDS = ['model', 'a', 'af', 'ab', 'ae', 'om', 'ppm', 'dc', 'vm'] as const;
/** In the query even of a POST: a slip of rembg's that its clients depend on. */
const QUERY_FIELDS = ['bgc', 'extras'] as const;

/** Words FastAPI reads as a truth value. */
const TRUE = new Set(['true', '1', 'on', 't', 'y', 'yes']);
const FALSE = new Set(['false', '0', 'off', 'f', 'n', 'no']);

/**
 * The meaning of rembg's fields. What is not supported is refused by its name rather than ignored: a caller must not
 * take another result for the one asked for.
 * @throws RequestError `field_invalid`, `field_unsupported`, `field_repeated`.
 */
export function readRembgFields(
  form: ReadonlyMap<string, string>,
  url: string,
): { model: string | undefined; options: JobOptions } {
  for (const name of form.keys()) refuseUnknown(name);
  const query = queryOf(withHint(url), QUERY_FIELDS);
  if (truth(form, 'a'))
    throw unsupportedField('a', 'there is no alpha matting; send a=false, or leave it out');
  if (truth(form, 'dc'))
    throw unsupportedField('dc', 'edges are not decontaminated; send dc=false, or leave it out');
  if (truth(form, 'vm')) throw unsupportedField('vm', 'there is no ViTMatte; send vm=false, or leave it out');
  // Without matting these change nothing; they are held to their meaning all the same.
  wholeNumber(form, 'af', 255);
  wholeNumber(form, 'ab', 255);
  wholeNumber(form, 'ae', Number.MAX_SAFE_INTEGER);
  const model = form.get('model');
  const background = readBackground(query.get('bgc'));
  const onlyMask = truth(form, 'om');
  return {
    model: model === '' ? undefined : model,
    options: {
      output: onlyMask ? 'mask' : 'cutout',
      format: 'png',
      alpha: readExtras(query.get('extras')).putalpha ? 'replaced' : 'premultiplied',
      colours: 'as-stored',
      smoothMask: truth(form, 'ppm'),
      ...(background === undefined || onlyMask ? {} : { background }),
    },
  };
}

function refuseUnknown(name: string): void {
  if (FORM_FIELDS.some((field) => field === name)) return;
  if (QUERY_FIELDS.some((field) => field === name))
    throw unsupportedField(name, 'as a form field, it belongs in the query, as in rembg');
  if (name === 'file') throw invalidField('file', 'sent as a file, with a file name', 'text');
  throw unsupportedField(name, `as a form field, only file, ${FORM_FIELDS.join(', ')} are`);
}

/** The same fields are a query on rembg's GET, so that some send them there on POST too, where rembg ignores them. */
function withHint(url: string): string {
  const names = new URLSearchParams(url.split('?')[1] ?? '').keys();
  for (const name of names)
    if (FORM_FIELDS.some((field) => field === name))
      throw unsupportedField(name, 'in the query, it belongs in the form of a POST, as in rembg');
  return url;
}

function truth(form: ReadonlyMap<string, string>, field: string): boolean {
  const value = form.get(field)?.toLowerCase() ?? 'false';
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw invalidField(field, 'true or false', value);
}

function wholeNumber(form: ReadonlyMap<string, string>, field: string, most: number): void {
  const value = form.get(field);
  if (value === undefined) return;
  if (!/^\d{1,15}$/.test(value.trim()) || Number(value) > most)
    throw invalidField(field, most === 255 ? 'a whole number from 0 to 255' : 'a whole number from 0', value);
}

/** `r,g,b` or `r,g,b,a`; empty is none, as in rembg. */
function readBackground(value: string | undefined): Rgba | undefined {
  if (value === undefined || value === '') return undefined;
  const parts = value.split(',').map((part) => part.trim());
  const valid = parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  if (!valid || (parts.length !== 3 && parts.length !== 4))
    throw invalidField('bgc', 'r,g,b,a with whole numbers from 0 to 255', value);
  const [red, green, blue, alpha = 255] = parts.map(Number) as [number, number, number, number?];
  return [red, green, blue, alpha];
}

/** rembg hands these to its code as they are, which let callers name files of the server: only what is listed passes. */
function readExtras(value: string | undefined): { putalpha: boolean } {
  if (value === undefined || value === '') return { putalpha: false };
  let extras: unknown;
  try {
    extras = JSON.parse(value);
  } catch {
    throw invalidField('extras', 'a JSON object', value);
  }
  if (typeof extras !== 'object' || extras === null || Array.isArray(extras))
    throw invalidField('extras', 'a JSON object', value);
  for (const name of Object.keys(extras))
    if (name !== 'putalpha') throw unsupportedField(`extras.${name}`, 'of the extras, only putalpha is');
  const { putalpha = false } = extras as { putalpha?: unknown };
  if (typeof putalpha !== 'boolean')
    throw invalidField('extras.putalpha', 'true or false', JSON.stringify(putalpha));
  return { putalpha };
}
