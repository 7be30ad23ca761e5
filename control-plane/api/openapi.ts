import { z } from 'zod';
import { errorBody } from '../../contracts/error.ts';
import { type ErrorCode, errorCodes } from '../../contracts/error-codes.ts';
import type { Localized } from '../../foundation/language.ts';
import { tokenOperation } from './auth/token.ts';
import { everybody, type Described, ok, operation, type Operation, type Subject } from './operation.ts';
import { operations } from './routes/all.ts';

type Json = Record<string, unknown>;

export const subjects: Readonly<Record<Subject, Localized>> = {
  identity: { en: 'Who one is', zh: '身份' },
  accounts: { en: 'Local accounts', zh: '本地账号' },
  applications: { en: 'Applications and keys', zh: '应用与密钥' },
  sessions: { en: 'Sessions', zh: '会话' },
  access: { en: 'Roles, grants, explanation', zh: '角色、授权与解释' },
  projects: { en: 'Projects', zh: '项目' },
  reviews: { en: 'Access reviews', zh: '访问权限复核' },
  quota: { en: 'Usage and quotas', zh: '用量与配额' },
  operations: { en: 'State and audit', zh: '状态与审计' },
};

const GENERAL: readonly ErrorCode[] = [
  'assertion_missing',
  'assertion_invalid',
  'assertion_expired',
  'assertion_wrong_audience',
  'assertion_wrong_request',
  'assertion_replayed',
  'overloaded',
  'database_unavailable',
  'internal',
];
const WITH_BODY: readonly ErrorCode[] = [
  'malformed_json',
  'body_unreadable',
  'body_too_large',
  'media_type_unsupported',
  'content_encoding_unsupported',
];

/** Every code that the API itself can answer to an operation; the gateway before it has its own. */
export function errorsOf({ access, params, query, body, encoding, errors }: Described): ErrorCode[] {
  const asks = access.decided === 'first' || access.decided === 'by-owner';
  const json = body !== undefined && encoding !== 'form';
  const fields = params !== undefined || query !== undefined || json;
  return [
    ...new Set([
      ...errors,
      ...(fields ? (['field_invalid'] as const) : []),
      ...(params === undefined ? [] : (['path_not_canonical'] as const)),
      ...(json ? WITH_BODY : []),
      ...(encoding === 'form' ? (['form_invalid'] as const) : []),
      ...(asks ? (['access_denied'] as const) : []),
      ...GENERAL,
    ]),
  ];
}

/** All that the document describes, itself included. */
export const described = (): Described[] => [...operations, documentOperation, tokenOperation];

/** The OpenAPI 3.1 document, of the schemas that validate. Pure. */
export function openApiDocument(): Json {
  const components: Json = {};
  const paths: Record<string, Json> = {};
  for (const one of described()) {
    paths[one.path] ??= {};
    Object.assign(paths[one.path] ?? {}, { [one.method]: operationOf(one, components) });
  }
  components['Error'] = schemaOf(errorBody, 'output', components);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Imageplane control plane',
      version: 'v1',
      description:
        'What a principal may see and change of its tenant; the tenant is always its own. Requests go through the gateway, whose refusals have the same shape: the response `default`. Sentences are in English or Chinese, by Accept-Language.',
    },
    servers: [{ url: '/' }],
    tags: Object.entries(subjects).map(([name, { en, zh }]) => ({
      name,
      description: en,
      'x-description-zh': zh,
    })),
    security: [{ key: [] }, { keyHeader: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key (ipk_…), an access token, or a JWT of a configured issuer',
        },
        keyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        session: { type: 'apiKey', in: 'cookie', name: '__Host-imageplane-session' },
      },
      schemas: components,
    },
  };
}

function operationOf(one: Described, components: Json): Json {
  const { method, path, summary, subject, params, query, body, encoding, access } = one;
  const media = encoding === 'form' ? 'application/x-www-form-urlencoded' : 'application/json';
  return {
    operationId: operationId(method, path),
    summary: summary.en,
    'x-summary-zh': summary.zh,
    tags: [subject],
    'x-access': access,
    'x-errors': errorsOf(one),
    ...(access.decided === 'by-credential' ? { security: [] } : {}),
    parameters: [
      ...parametersOf(params, 'path', components),
      ...parametersOf(query, 'query', components),
      ...(method === 'get' ? [LANGUAGE] : []),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse({}).success,
            content: { [media]: { schema: schemaOf(body, 'input', components) } },
          },
        }),
    responses: { ...answersOf(one, components), ...refusalsOf(one), default: DEFAULT },
  };
}

const LANGUAGE = {
  name: 'Accept-Language',
  in: 'header',
  description: 'Errors are in Chinese when it is preferred to English',
  schema: { type: 'string' },
};

const ERROR = { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } };
const DEFAULT = {
  description: 'A refusal of the gateway: docs/errors.md lists all codes',
  content: ERROR,
};

function answersOf({ answers }: Described, components: Json): Json {
  return Object.fromEntries(
    Object.entries(answers).map(([status, schema]) => [
      status,
      schema === null
        ? { description: status === '201' ? 'Made' : 'Done' }
        : {
            description: status === '201' ? 'Made' : 'The answer',
            content: { 'application/json': { schema: schemaOf(schema, 'output', components) } },
          },
    ]),
  );
}

function refusalsOf(one: Described): Json {
  const byStatus = Map.groupBy(errorsOf(one), (code) => errorCodes[code].status);
  return Object.fromEntries(
    [...byStatus]
      .toSorted(([a], [b]) => a - b)
      .map(([status, codes]) => [
        String(status),
        {
          description: codes.map((code) => `\`${code}\``).join(', '),
          'x-error-codes': codes,
          content: ERROR,
        },
      ]),
  );
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query', components: Json): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input', components) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

/** As it goes over the wire, whole: without references. */
export function wireSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const components: Json = {};
  const resolved = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolved);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref, ...rest } = value as Json;
    const target = typeof $ref === 'string' ? components[$ref.split('/').at(-1) ?? ''] : undefined;
    return Object.fromEntries(
      Object.entries({ ...(target as Json | undefined), ...rest }).map(([name, one]) => [
        name,
        resolved(one),
      ]),
    );
  };
  return resolved(schemaOf(schema, io, components)) as Json;
}

/** Schemas with an id go to `components`; one id is one schema. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', components: Json): Json {
  const made = z.toJSONSchema(schema, { io, target: 'draft-2020-12', override: plain }) as Json;
  const { $defs = {}, ...rest } = pointed(made) as Json & { $defs?: Record<string, Json> };
  for (const [name, definition] of Object.entries($defs)) keep(components, name, definition);
  const { id, ...own } = without(rest, '$schema');
  if (typeof id !== 'string' || own['$ref'] !== undefined) return own;
  keep(components, id, own);
  return { $ref: `#/components/schemas/${id}` };
}

function keep(components: Json, name: string, definition: Json): void {
  const own = without(definition, '$id', 'id');
  const before = components[name];
  if (before !== undefined && JSON.stringify(before) !== JSON.stringify(own))
    throw new Error(`there are two schemas ${name}`);
  components[name] = own;
}

const without = (schema: Json, ...names: string[]): Json =>
  Object.fromEntries(Object.entries(schema).filter(([name]) => !names.includes(name)));

/** What a format says already, and what every number in JavaScript is bounded by, is left out. */
function plain({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
}

const pointed = (schema: Json): Json =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json;

/** `post /api/v1/quota/grants` → `postQuotaGrants`. */
function operationId(method: string, path: string): string {
  const words = path
    .replace('/api/v1', '')
    .split(/[/{}.-]+/)
    .filter((word) => word !== '');
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

let document: Json | undefined;

/**
 * For everybody who has signed in: nothing in it is secret, but the gateway lets nothing pass without a credential, and
 * this is no reason for a first exception. Who has none reads docs/reference/api.md.
 */
export const documentOperation: Operation = operation({
  method: 'get',
  path: '/api/v1/openapi.json',
  subject: 'operations',
  summary: { en: 'This document', zh: '本文档' },
  access: everybody,
  answers: { 200: z.looseObject({ openapi: z.string() }) },
  errors: [],
  handle() {
    document ??= openApiDocument();
    return Promise.resolve(ok({ openapi: '3.1.0', ...document }));
  },
});
