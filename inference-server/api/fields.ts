import { z } from 'zod';
import type { RequestError } from '../../foundation/errors.ts';
import { refusal, unsupportedField } from '../messages.ts';

export function invalidField(field: string, allowed: string, found: string): RequestError {
  return refusal('field_invalid', { field, allowed, found: quoted(found) });
}

export function missingFile(field: string, others: Iterable<string>): RequestError {
  const names = [...others];
  const instead =
    names.length === 0 ? '' : ` The form has a file in ${names.map(quoted).join(', ')} instead.`;
  return refusal('field_missing', { field, expected: 'the picture, as a file', instead });
}

export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** The query, each parameter once. @throws RequestError `field_repeated`. */
export function queryOf(url: string): Map<string, string> {
  const query = new Map<string, string>();
  const at = url.indexOf('?');
  for (const [name, value] of new URLSearchParams(at === -1 ? '' : url.slice(at + 1))) {
    if (query.has(name)) throw refusal('field_repeated', { field: name });
    query.set(name, value);
  }
  return query;
}

/**
 * Fields by their schema, in which the message of each says what is allowed.
 * @throws RequestError `field_unsupported`, `field_missing`, `field_invalid`, for the first that is wrong.
 */
export function readFields<S extends z.ZodObject>(
  schema: S,
  values: ReadonlyMap<string, unknown>,
  known: readonly string[] = Object.keys(schema.shape),
): z.output<S> {
  for (const name of values.keys())
    if (!Object.hasOwn(schema.shape, name))
      throw unsupportedField(name, 'not_a_field', { known: known.join(', ') });
  const parsed = schema.safeParse(Object.fromEntries(values));
  if (parsed.success) return parsed.data;
  throw fieldError(parsed.error, (name) => values.get(name));
}

/** What is said of the first field that is wrong. */
function fieldError(error: z.ZodError, valueOf: (name: string) => unknown): RequestError {
  const [issue] = error.issues;
  const field = issue?.path.map(String).join('.') ?? '';
  const name = String(issue?.path[0] ?? '');
  const value = valueOf(name);
  const allowed = issue?.message ?? '';
  if (value === undefined) return refusal('field_missing', { field, expected: allowed, instead: '' });
  return invalidField(field, allowed, typeof value === 'string' ? value : JSON.stringify(value));
}

/** One of some words; the first is the default. */
export function choice<const T extends readonly [string, ...string[]]>(
  ...allowed: T
): z.ZodDefault<z.ZodEnum<{ [K in T[number]]: K }>> {
  const schema = z.enum(allowed, { error: allowed.join(' | ') }) as z.ZodEnum<{ [K in T[number]]: K }>;
  return schema.default(allowed[0] as never);
}

/** Words that FastAPI reads as a truth value. */
const TRUE = ['true', '1', 'on', 't', 'y', 'yes'];
const FALSE = ['false', '0', 'off', 'f', 'n', 'no'];

export const truth = z
  .string()
  .toLowerCase()
  .refine((word) => TRUE.includes(word) || FALSE.includes(word), 'true | false')
  .transform((word) => TRUE.includes(word))
  .meta({ type: 'boolean' });

export function wholeNumber(most: number, allowed: string): z.ZodType<number, string> {
  return z
    .string()
    .trim()
    .refine((text) => /^\d{1,15}$/.test(text) && Number(text) <= most, allowed)
    .transform(Number)
    .meta({ type: 'integer', minimum: 0, maximum: most });
}
