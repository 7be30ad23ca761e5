import type { Schema } from './crd.ts';

/** What both kinds of schema say in the same words. Defaults are filled in by structural.ts. */
const plainKeywords = new Set([
  'type',
  'description',
  'required',
  'enum',
  'format',
  'pattern',
  'minLength',
  'maxLength',
  'maximum',
  'minItems',
  'maxItems',
  'maxProperties',
]);

/** The API server takes a number beyond 64 bits for a fraction; this is the largest below that JavaScript has. */
const intOrString = { type: ['integer', 'string'], maximum: 9_223_372_036_854_774_784 };

/** A structural schema as JSON Schema: objects with named fields are closed, as with `fieldValidation=Strict`. */
export function toJsonSchema(schema: Schema): Record<string, unknown> {
  const { properties, additionalProperties, items, minimum, exclusiveMinimum } = schema;
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true;
  return {
    ...Object.fromEntries(Object.entries(schema).filter(([key]) => plainKeywords.has(key))),
    ...(schema['x-kubernetes-int-or-string'] === true ? intOrString : {}),
    ...(minimum === undefined
      ? {}
      : { [exclusiveMinimum === true ? 'exclusiveMinimum' : 'minimum']: minimum }),
    ...(properties === undefined
      ? {}
      : { properties: mapValues(properties, toJsonSchema), additionalProperties: isOpen }),
    ...(additionalProperties === undefined
      ? {}
      : { additionalProperties: toJsonSchema(additionalProperties) }),
    ...(items === undefined ? {} : { items: toJsonSchema(items) }),
  };
}

function mapValues<T, U>(record: Record<string, T>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
