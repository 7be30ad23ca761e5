import { RequestError } from '../../foundation/errors.ts';
import { repeated } from './multipart.ts';

export function invalidField(field: string, allowed: string, found: string): RequestError {
  return new RequestError(
    422,
    'field_invalid',
    `The field ${field} must be ${allowed}; it is ${quoted(found)}.`,
    {
      details: { field },
    },
  );
}

export function unsupportedField(field: string, why: string): RequestError {
  return new RequestError(422, 'field_unsupported', `The field ${field} is not supported here: ${why}.`, {
    details: { field },
  });
}

export function missingFile(field: string, others: Iterable<string>): RequestError {
  const names = [...others];
  const instead =
    names.length === 0 ? '' : ` The form has a file in ${names.map(quoted).join(', ')} instead.`;
  return new RequestError(
    422,
    'field_missing',
    `The multipart field ${field}, with the picture as a file, is missing.${instead}`,
    { details: { field } },
  );
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** The query, each parameter once. @throws RequestError `field_repeated`, `field_unsupported`. */
export function queryOf(url: string, known: readonly string[]): Map<string, string> {
  const query = new Map<string, string>();
  const at = url.indexOf('?');
  for (const [name, value] of new URLSearchParams(at === -1 ? '' : url.slice(at + 1))) {
    if (!known.includes(name))
      throw unsupportedField(name, `as a query parameter, only ${known.join(', ')} are`);
    if (query.has(name)) throw repeated(name);
    query.set(name, value);
  }
  return query;
}

export function oneOf<T extends string>(
  field: string,
  value: string | undefined,
  allowed: readonly [T, ...T[]],
): T {
  if (value === undefined) return allowed[0];
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw invalidField(field, `one of ${allowed.join(', ')}`, value);
  return found;
}
