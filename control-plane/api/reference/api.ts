import type { z } from 'zod';
import { type ErrorCode, errorGroups } from '../../../contracts/error-codes.ts';
import { described, errorsOf, subjects, wireSchema } from '../openapi.ts';
import type { Access, Described } from '../operation.ts';
import { table } from './markdown.ts';

const introduction = `# Reference: the API of the control plane

Made by \`npm run generate\` from the schemas that validate; do not edit. \`GET /api/v1/openapi.json\` is the same as an OpenAPI 3.1 document, for whoever has signed in.

Requests go through the gateway, with one [credential](../identity.md). The tenant is always that of the credential. Bodies are JSON, except the form of \`/auth/token\`. Under «who» stands the action that [access](../access.md) decides. Besides the codes listed with it, every operation may answer with those of the request, of credentials and of what is away; [errors](../errors.md) has them all.

A field in **bold** must be there. \`[]\` is every item of a list. Times are ISO 8601, with a zone; in answers always UTC.`;

interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: string | number | boolean;
  format?: string;
  default?: unknown;
  description?: string;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
}

/** docs/reference/api.md: every operation, by subject. */
export function apiPage(): string {
  const all = described();
  const sections = Object.entries(subjects).map(([subject, { en }]) => {
    const own = all.filter((one) => one.subject === subject);
    return [`## ${en}`, ...own.map(operationSection)].join('\n\n');
  });
  return [introduction, ...sections].join('\n\n');
}

const common = new Set<string>([
  ...Object.keys(errorGroups.http),
  ...Object.keys(errorGroups.credentials),
  ...Object.keys(errorGroups.service),
]);

function operationSection(one: Described): string {
  const { method, path, summary, access, params, query, body, answers } = one;
  const codes = errorsOf(one).filter((code: ErrorCode) => one.errors.includes(code) || !common.has(code));
  return [
    `### \`${method.toUpperCase()} ${path}\``,
    `${summary.en}. ${summary.zh}。`,
    `Who: ${whoMay(access)}.${codes.length === 0 ? '' : ` Errors: ${codes.map((code) => `\`${code}\``).join(', ')}.`}`,
    ...fieldTable('In the path', params, 'input'),
    ...fieldTable('In the query', query, 'input'),
    ...fieldTable('Body', body, 'input'),
    ...Object.entries(answers).flatMap(([status, schema]) =>
      schema === null
        ? [`Answer ${status}, without a body.`]
        : fieldTable(`Answer ${status}`, schema, 'output'),
    ),
  ].join('\n\n');
}

function whoMay(access: Access): string {
  switch (access.decided) {
    case 'everybody':
      return 'whoever has signed in';
    case 'by-credential':
      return 'whoever holds the key or token in the form';
    case 'first':
      return `\`${access.action}\` on all of the tenant`;
    case 'by-owner':
      return `\`${access.action}\`, or on what is one's own`;
  }
}

function fieldTable(title: string, schema: z.ZodType | undefined, io: 'input' | 'output'): string[] {
  if (schema === undefined) return [];
  const rows = rowsOf(wireSchema(schema, io), '', io);
  return rows.length === 0 ? [] : [`${title}:`, table(['Field', 'Type', 'Meaning'], rows)];
}

function rowsOf(schema: Schema, path: string, io: 'input' | 'output'): string[][] {
  const shapes = schema.anyOf ?? schema.oneOf;
  if (shapes !== undefined) return shapes.flatMap((one) => rowsOf(one, path, io));
  if (schema.items !== undefined) return rowsOf(schema.items, `${path}[]`, io);
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const at = path === '' ? name : `${path}.${name}`;
    // Of answers all fields are there but for those that say otherwise: bold would tell nothing.
    const must = io === 'input' && schema.required?.includes(name) === true && property.default === undefined;
    return [
      [must ? `**\`${at}\`**` : `\`${at}\``, typeText(property), meaningOf(property)],
      ...rowsOf(property, at, io),
    ];
  });
}

function typeText(schema: Schema): string {
  const shapes = schema.anyOf ?? schema.oneOf;
  if (shapes !== undefined) return [...new Set(shapes.map(typeText))].join(' or ');
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${String(one)}\``).join(', ');
  if (schema.items !== undefined) return `list of ${typeText(schema.items)}`;
  if (schema.format === 'date-time') return 'time';
  if (schema.format !== undefined) return schema.format;
  const { type = 'anything' } = schema;
  return typeof type === 'string' ? type : type.join(' or ');
}

function meaningOf({ description, default: usual, minimum, maximum, maxLength }: Schema): string {
  return [
    description,
    minimum !== undefined && maximum !== undefined ? `${minimum} to ${maximum}` : undefined,
    maxLength === undefined ? undefined : `at most ${maxLength} characters`,
    usual === undefined ? undefined : `\`${JSON.stringify(usual)}\` where it is not given`,
  ]
    .filter((part) => part !== undefined)
    .join('; ');
}
