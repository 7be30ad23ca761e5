import { z } from 'zod';
import { values } from './values.ts';

/** The part of a JSON schema that the pages are made from. */
export interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
}

export function valuesSchema(): JsonSchema {
  return z.toJSONSchema(values, { io: 'input', target: 'draft-7' }) as JsonSchema;
}

/** Sections are objects of named fields; everything else is written as one value. */
export function isSection(
  schema: JsonSchema,
): schema is JsonSchema & { properties: Record<string, JsonSchema> } {
  return schema.properties !== undefined;
}
