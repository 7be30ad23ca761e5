import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import busboy from 'busboy';
import { messageOf, type RequestError } from '../../foundation/errors.ts';
import { refusal, unsupportedField } from '../messages.ts';
import { boundedChunks } from './body.ts';

export interface Form {
  fields: Map<string, string>;
  files: Map<string, Buffer>;
}

/** One file more than is accepted, so that the second can be named. */
const LIMITS = { files: 2, fields: 20, parts: 21, fieldNameSize: 100, fieldSize: 8192, headerPairs: 20 };

const NAMELESS = 'a part has no name';

/**
 * Reads a multipart form with at most one file, under bounds for every count and size.
 * @throws RequestError `media_type_unsupported`, `malformed_form`, `field_repeated`, `form_too_large`, and what
 * `boundedChunks` throws.
 */
export async function readForm(request: IncomingMessage, maxBytes: number): Promise<Form> {
  const form: Form = { fields: new Map(), files: new Map() };
  let failure: RequestError | undefined;
  let files = 0;
  const fail = (error: RequestError): void => {
    failure ??= error;
  };
  const parser = openParser(request);
  const closed = new Promise<void>((resolve) => {
    parser.once('close', resolve);
    // It may fail a second time when it is destroyed; an error that nobody hears would end the process.
    parser.on('error', (error) => {
      fail(malformed(messageOf(error)));
      resolve();
    });
  });
  // What the types do not say: of a part that gives no name there is none.
  parser.on('field', (name: string | undefined, value, { nameTruncated, valueTruncated }) => {
    if (name === undefined) fail(malformed(NAMELESS));
    else if (nameTruncated || valueTruncated)
      fail(tooLarge(LIMITS.fieldSize, `bytes in ${name.slice(0, 80)}`));
    else if (form.fields.has(name)) fail(refusal('field_repeated', { field: name }));
    else form.fields.set(name, value);
  });
  parser.on('file', (name: string | undefined, stream: Readable) => {
    if (name === undefined) fail(malformed(NAMELESS));
    else if (++files > 1) fail(unsupportedField(name, 'one_picture'));
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error) => {
      fail(malformed(messageOf(error)));
    });
    stream.on('end', () => {
      if (name !== undefined) form.files.set(name, Buffer.concat(chunks));
    });
  });
  parser.on('filesLimit', () => {
    fail(tooLarge(1, 'file'));
  });
  parser.on('fieldsLimit', () => {
    fail(tooLarge(LIMITS.fields, 'fields'));
  });
  parser.on('partsLimit', () => {
    fail(tooLarge(LIMITS.parts, 'parts'));
  });

  try {
    for await (const chunk of boundedChunks(request, maxBytes)) {
      if (hasFailed()) break;
      // The parts are read as they come, so that nothing waits in the parser.
      parser.write(chunk);
    }
    if (!hasFailed()) {
      parser.end();
      await closed;
    }
  } finally {
    parser.destroy();
  }
  if (failure !== undefined) throw failure;
  return form;

  function hasFailed(): boolean {
    return failure !== undefined;
  }
}

function openParser(request: IncomingMessage): busboy.Busboy {
  const type = request.headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*(;|$)/i.test(type))
    throw refusal('media_type_unsupported', {
      found: type === '' ? 'of no declared type' : type,
      expected: 'multipart/form-data',
    });
  try {
    return busboy({ headers: { 'content-type': type }, limits: LIMITS });
  } catch (error) {
    throw malformed(messageOf(error));
  }
}

function malformed(problem: string): RequestError {
  return refusal('malformed_form', { problem });
}

function tooLarge(limit: number, what: string): RequestError {
  return refusal('form_too_large', { limit, what });
}
