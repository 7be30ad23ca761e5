import { Ajv, type DefinedError, type ValidateFunction } from 'ajv';
import { brokenRules, compileRules } from './cel.ts';
import {
  API_VERSION,
  type Crds,
  isJsonObject,
  type Json,
  type JsonObject,
  type Kind,
  KINDS,
  type Schema,
  schemaOf,
} from './crd.ts';
import type { ImageplaneObject } from './generated.ts';
import { toJsonSchema } from './json-schema.ts';
import { metadataSchema } from './metadata.ts';
import { ownProperty, pathText } from './path.ts';
import { type Problem, problemOf, shown } from './sentences.ts';
import { applyDefaults, duplicates } from './structural.ts';
import { didYouMean } from './suggest.ts';

export type Validated = { ok: true; object: ImageplaneObject } | { ok: false; problems: Problem[] };

/** Says whether a value is an object of one of our kinds, and fills in its defaults, in place. Never throws. */
export type Validate = (value: Json) => Validated;

/**
 * After one of these, rules might stumble over what they read, or blame it on something else (a mistyped field is also
 * a missing one); the API server holds them back too.
 */
const blocking = new Set([
  'type',
  'required',
  'additionalProperties',
  'maxLength',
  'maxItems',
  'maxProperties',
]);

/** Builds the validator from the definitions, so that one machine and Kubernetes accept the same objects. */
export function createValidator(crds: Crds): Validate {
  const kinds = Object.fromEntries(KINDS.map((kind) => [kind, createKind(crds, kind)])) as Record<
    Kind,
    (value: JsonObject) => Problem[]
  >;
  return (value) => {
    const kind = kindOf(value);
    if (typeof kind !== 'string') return { ok: false, problems: [kind] };
    const object = value as JsonObject;
    const problems = kinds[kind](object);
    if (problems.length > 0) return { ok: false, problems };
    // The schema from which the type was generated has just been checked.
    return { ok: true, object: object as unknown as ImageplaneObject };
  };
}

function kindOf(value: Json): Kind | Problem {
  const known = `Known are, with apiVersion: ${API_VERSION}, the kinds ${KINDS.join(', ')}`;
  if (!isJsonObject(value))
    return { path: [], at: 'value', message: `an object with apiVersion and kind was expected. ${known}` };
  const kind = ownProperty(value, 'kind');
  const apiVersion = ownProperty(value, 'apiVersion');
  if (kind === undefined) return { path: ['kind'], at: 'key', message: `is missing. ${known}` };
  if (apiVersion === undefined) return { path: ['apiVersion'], at: 'key', message: `is missing. ${known}` };
  const ours = KINDS.find((candidate) => candidate === kind);
  if (ours !== undefined && apiVersion === API_VERSION) return ours;
  if (ours !== undefined)
    return { path: ['apiVersion'], at: 'value', message: `${shown(apiVersion)} is not known here. ${known}` };
  return {
    path: ['kind'],
    at: 'value',
    message: `${shown(kind)} of ${shown(apiVersion)} is not known here;${didYouMean(typeof kind === 'string' ? kind : '', KINDS)} ${known}`,
  };
}

function createKind(crds: Crds, kind: Kind): (value: JsonObject) => Problem[] {
  const schema = wholeSchema(crds, kind);
  const rules = compileRules(schema);
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    strict: false,
    formats: { 'date-time': isDateTime, int32: true, int64: true },
  });
  const check: ValidateFunction = ajv.compile(toJsonSchema(schema));
  return (value) => {
    // A status is the controllers' to write: the API server drops it from what a person applies.
    delete value['status'];
    applyDefaults(value, schema);
    check(value);
    const errors = (check.errors ?? []) as DefinedError[];
    const problems = errors.map((error) => problemOf(error, schema));
    for (const { path, key, first } of duplicates(value, schema))
      problems.push({
        path,
        at: 'value',
        message: `stands here twice (${key}, first as ${pathText([...path.slice(0, -1), first])}); remove one`,
      });
    if (!errors.some(({ keyword }) => blocking.has(keyword)))
      for (const { path, message, evaluated } of brokenRules(value, schema, rules))
        // What a rule stumbles over has been told already, where it stands.
        if (evaluated || errors.length === 0) problems.push({ path, at: 'key', message });
    return problems;
  };
}

function wholeSchema(crds: Crds, kind: Kind): Schema {
  const schema = schemaOf(crds[kind]);
  return {
    ...schema,
    required: ['metadata', ...(schema.required ?? [])],
    properties: { ...schema.properties, metadata: metadataSchema(crds[kind].spec.scope) },
  };
}

function isDateTime(text: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(text) &&
    !Number.isNaN(Date.parse(text))
  );
}
