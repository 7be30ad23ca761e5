import { z } from 'zod';
import type { Language } from '../../foundation/language.ts';
import { outputFormats } from '../imaging/output-formats.ts';

/** Bytes that are no text. */
export const BINARY = z.string().meta({ format: 'binary', contentMediaType: 'application/octet-stream' });

/** A result, in whichever format was asked for. */
export const PICTURES = Object.fromEntries(outputFormats.map((format) => [`image/${format}`, BINARY]));

export type Content = Readonly<Record<string, z.ZodType>>;

/** What the document says of an endpoint; queries and bodies are the schemas by which requests are read. */
export interface Operation {
  tag: string;
  summary: Record<Language, string>;
  query?: z.ZodObject;
  body?: Content;
  responses: Readonly<Record<number, { description: string; content?: Content }>>;
}

/** A form with a file and fields. */
export function fileWith(name: string, fields: z.ZodObject): z.ZodObject {
  return z.object({ [name]: BINARY, ...fields.shape });
}
