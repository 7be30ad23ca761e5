import type { DefinedError } from 'ajv';
import type { Json, Schema } from './crd.ts';
import { pathOfPointer, type Path, schemaAt } from './path.ts';
import { didYouMean } from './suggest.ts';

/** What is wrong with an object: where, whether the field's name or its value is meant, and what to write. */
export interface Problem {
  path: Path;
  at: 'key' | 'value';
  message: string;
}

const MAX_SHOWN = 80;

/** A value as it is shown in a message, cut to a bearable length. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

/** Turns what ajv found into what a person should write. `schema` is the structural schema of the whole object. */
export function problemOf(error: DefinedError, schema: Schema): Problem {
  const path = pathOfPointer(schema, error.instancePath);
  const here = schemaAt(schema, path) ?? {};
  if (error.keyword === 'additionalProperties') {
    const field = error.params.additionalProperty;
    return { path: [...path, field], at: 'key', message: unknownField(field, here) };
  }
  if (error.keyword === 'required') {
    const field = error.params.missingProperty;
    const missing = here.properties?.[field] ?? {};
    return { path: [...path, field], at: 'key', message: `is missing; ${expectation(missing)}` };
  }
  return { path, at: 'value', message: `${wrong(error, here)}; ${expectation(here)}` };
}

function unknownField(field: string, schema: Schema): string {
  const known = Object.entries(schema.properties ?? {})
    .filter(([, { description }]) => description !== undefined)
    .map(([name]) => name)
    .sort();
  return `unknown field;${didYouMean(field, known)} Allowed here: ${known.join(', ')}`;
}

/** What is wrong with the value; `is` at its beginning follows the field's name. */
function wrong(error: DefinedError, schema: Schema): string {
  const value = error.data as Json;
  if (error.keyword === 'type') return `must be ${typeName(schema)}, not ${nameOfType(value)}`;
  if (error.keyword === 'enum') {
    const near = typeof value === 'string' ? didYouMean(value, schema.enum ?? []) : '';
    return `${shown(value)} is not allowed${near === '' ? '' : `;${near.slice(0, -1)}`}`;
  }
  if (error.keyword === 'pattern' || error.keyword === 'format')
    return `${shown(value)} does not have the right form`;
  if (error.keyword === 'maxLength') return `is longer than ${error.params.limit} characters`;
  if (error.keyword === 'minLength') return 'is empty';
  if (error.keyword === 'minItems' || error.keyword === 'maxItems' || error.keyword === 'maxProperties')
    return `has ${error.keyword === 'minItems' ? 'fewer' : 'more'} than ${error.params.limit} entries`;
  return `${shown(value)} is out of range`;
}

/** What to write: the values or the range, then the field's description. */
export function expectation(schema: Schema): string {
  const range = allowedValues(schema);
  const description = schema.description ?? '';
  if (range === '') return description === '' ? `write ${typeName(schema)}` : description;
  return description === '' ? `write ${range}` : `write ${range}. ${description}`;
}

function allowedValues(schema: Schema): string {
  if (schema.enum !== undefined) return list(schema.enum);
  const { minimum, maximum } = schema;
  if (schema.type === 'integer') {
    if (minimum !== undefined && maximum !== undefined) return `a whole number from ${minimum} to ${maximum}`;
    return 'a whole number';
  }
  if (schema.type === 'boolean') return 'true or false';
  if (schema.minItems !== undefined && schema.minItems === schema.maxItems) return `${schema.minItems} items`;
  return '';
}

function list(values: string[]): string {
  return values.length === 1 ? (values[0] ?? '') : `one of ${values.join(', ')}`;
}

function typeName(schema: Schema): string {
  if (schema['x-kubernetes-int-or-string'] === true) return 'a whole number or a text';
  switch (schema.type) {
    case 'object':
      return 'a block of fields';
    case 'array':
      return 'a list';
    case 'string':
      return 'a text';
    case 'integer':
      return 'a whole number';
    case 'number':
      return 'a number';
    case 'boolean':
      return 'true or false';
    case undefined:
      break;
  }
  return 'a value';
}

function nameOfType(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a block of fields';
  return shown(value);
}
