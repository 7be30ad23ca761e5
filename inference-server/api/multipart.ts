import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import busboy from 'busboy';
import { messageOf, RequestError } from '../../foundation/errors.ts';
import { boundedChunks } from './body.ts';

export interface Form {
  fields: Map<string, string>;
  files: Map<string, Buffer>;
}

const LIMITS = { files: 1, fields: 20, parts: 21, fieldNameSize: 100, fieldSize: 8192, headerPairs: 20 };

/**
 * Reads a multipart form with at most one file, under bounds for every count and size.
 * @throws RequestError `media_type_unsupported`, `malformed_form`, `field_repeated`, `form_too_large`, and what
 * `boundedChunks` throws.
 */
export async function readForm(request: IncomingMessage, maxBytes: number): Promise<Form> {
  const form: Form = { fields: new Map(), files: new Map() };
  let failure: RequestError | undefined;
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
  parser.on('field', (name, value, { nameTruncated, valueTruncated }) => {
    if (nameTruncated || valueTruncated) fail(tooLarge(`the field ${name} is too long`));
    else if (form.fields.has(name)) fail(repeated(name));
    else form.fields.set(name, value);
  });
  parser.on('file', (name: string, stream: Readable) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error) => {
      fail(malformed(messageOf(error)));
    });
    stream.on('end', () => {
      form.files.set(name, Buffer.concat(chunks));
    });
  });
  parser.on('filesLimit', () => {
    fail(tooLarge(`it has more than ${LIMITS.files} file`));
  });
  parser.on('fieldsLimit', () => {
    fail(tooLarge(`it has more than ${LIMITS.fields} fields`));
  });
  parser.on('partsLimit', () => {
    fail(tooLarge(`it has more than ${LIMITS.parts} parts`));
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
    throw new RequestError(
      415,
      'media_type_unsupported',
      `The body is ${type === '' ? 'of no declared type' : `declared as ${type}`}. Send multipart/form-data with the picture in the field file.`,
    );
  try {
    return busboy({ headers: { 'content-type': type }, limits: LIMITS });
  } catch (error) {
    throw malformed(messageOf(error));
  }
}

function malformed(why: string): RequestError {
  return new RequestError(400, 'malformed_form', `The multipart form cannot be read: ${why}.`);
}

function tooLarge(why: string): RequestError {
  return new RequestError(422, 'form_too_large', `The form is not accepted: ${why}.`);
}

export function repeated(name: string): RequestError {
  return new RequestError(422, 'field_repeated', `The field ${name} is there more than once. Send it once.`, {
    details: { field: name },
  });
}
