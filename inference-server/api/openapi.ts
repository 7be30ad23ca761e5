import { z } from 'zod';
import { errorBody } from '../../contracts/error.ts';
import type { Language } from '../../foundation/language.ts';
import { messages } from '../messages.ts';
import { inChinese } from './descriptions-zh.ts';
import type { Content } from './operation.ts';
import type { Endpoint, Surface } from './surface.ts';

type Json = Record<string, unknown>;

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const made: Json = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any' });
  // That of OpenAPI 3.1 itself.
  delete made['$schema'];
  return made;
}

function contentOf(content: Content, io: 'input' | 'output'): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, { schema: jsonSchema(schema, io) }]),
  );
}

function queryParameters(query: z.ZodObject): Json[] {
  const { properties = {}, required = [] } = jsonSchema(query, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

/** `:name` of express as `{name}`. */
function templated(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}');
}

function pathParameters(path: string): Json[] {
  return Array.from(path.matchAll(/:(\w+)/g), ([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function operationOf(
  surface: Surface,
  { method, path, open, operation }: Endpoint,
  language: Language,
): Json {
  const { tag, summary, query, body, responses } = operation;
  const parameters = [...pathParameters(path), ...(query === undefined ? [] : queryParameters(query))];
  const answers = Object.entries(responses).map(([status, { description, content }]) => [
    status,
    { description, ...(content === undefined ? {} : { content: contentOf(content, 'output') }) },
  ]);
  return {
    operationId: `${method.toLowerCase()}${templated(path).replace(/[^a-z0-9]+/gi, '_')}`,
    tags: [tag],
    summary: summary[language],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body, 'input') } }),
    responses: {
      ...(Object.fromEntries(answers) as Json),
      default: { $ref: `#/components/responses/${errorName(surface)}` },
    },
    ...(open === true ? { security: [] } : {}),
  };
}

function errorName(surface: Surface): string {
  return `Error${surface.prefixes[0]?.replace(/[^a-z0-9]+/gi, '_') ?? ''}`;
}

/** An error in the surface's own shape, as an example. */
function errorResponse(surface: Surface, example: Json): Json {
  const schema = surface.prefixes.includes('/v1/cutouts')
    ? jsonSchema(errorBody, 'output')
    : { type: 'object', required: Object.keys(example) };
  return {
    description: 'Refused or failed. The codes are listed in x-error-codes.',
    headers: { 'x-error-code': { schema: { type: 'string' }, description: 'The code of the error.' } },
    content: { 'application/json': { schema, example } },
  };
}

const DESCRIPTION: Record<Language, string> = {
  en: 'Removes the background of pictures, in the shapes of rembg, OpenAI Images, Open Inference Protocol v2, and its own.',
  zh: '去除图片背景，支持 rembg、OpenAI Images、Open Inference Protocol v2 以及自有接口。',
};

export interface DocumentOptions {
  language: Language;
  title: string;
  version: string;
  exampleOf: (surface: Surface) => Json;
}

/** The OpenAPI 3.1 document of the surfaces, from their endpoints and schemas. */
export function openApiDocument(surfaces: readonly Surface[], options: DocumentOptions): Json {
  const { language, title, version, exampleOf } = options;
  const paths: Record<string, Json> = {};
  for (const surface of surfaces)
    for (const endpoint of surface.endpoints)
      (paths[templated(endpoint.path)] ??= {})[endpoint.method.toLowerCase()] = operationOf(
        surface,
        endpoint,
        language,
      );
  const document: Json = {
    openapi: '3.1.0',
    info: {
      title,
      version,
      description: DESCRIPTION[language],
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    // Relative, since the gateway serves every service under a path of its own.
    servers: [{ url: './' }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: language === 'en' ? 'An API key, checked by the gateway.' : 'API 密钥，由网关校验。',
        },
      },
      responses: Object.fromEntries(
        surfaces.map((surface) => [errorName(surface), errorResponse(surface, exampleOf(surface))]),
      ),
    },
    'x-error-codes': Object.fromEntries(
      Object.entries(messages).map(([code, message]) => [code, message[language]]),
    ),
  };
  return language === 'en' ? document : (inChinese(document) as Json);
}
