import type { IncomingMessage, ServerResponse } from 'node:http';
import { STATUS_CODES } from 'node:http';
import { finished } from 'node:stream';
import { header } from '../../contracts/headers.ts';
import { errorBodyOf, RequestError } from '../../foundation/errors.ts';
import { bound } from './config.ts';
import type { Language } from '../../foundation/language.ts';
import { sentence } from './messages.ts';

/** A body up to this size is not worth closing the connection for: Node reads the rest of it by itself. */
const SMALL_BODY = 64 * 1024;

/** An answer of the gateway itself, complete. */
export interface OwnAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export function errorAnswer(error: RequestError, requestId: string, language: Language): OwnAnswer {
  const { details, headers } = error;
  const worded = new RequestError(error.status, error.code, sentence(error, language), {
    ...(details === undefined ? {} : { details }),
  });
  const body = JSON.stringify(errorBodyOf(worded, requestId));
  return {
    status: error.status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      vary: 'accept-language',
      [header.requestId]: requestId,
      ...headers,
    },
    body,
  };
}

/**
 * Sends it, whatever is still coming in. A client in the middle of a large body gets the answer at once; then the rest
 * of the body is read and dropped for a while, since closing at once would reset the connection under the answer.
 */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: OwnAnswer,
  bodyIsComing = true,
): Promise<void> {
  const coming = bodyIsComing && isStillComing(request);
  const close = coming || (!bodyIsComing && !request.complete);
  response.writeHead(answer.status, {
    ...answer.headers,
    'content-length': Buffer.byteLength(answer.body),
    ...(close ? { connection: 'close' } : {}),
  });
  if (!coming) {
    response.end(request.method === 'HEAD' ? undefined : answer.body);
    request.unpipe();
    request.resume();
    return;
  }
  response.write(answer.body);
  await linger(request);
  response.end();
}

/** Whether more of the body is to come than may be left to Node. */
export function isStillComing(request: IncomingMessage): boolean {
  if (request.complete || request.destroyed) return false;
  const length = request.headers['content-length'];
  if (length === undefined) return request.headers['transfer-encoding'] !== undefined;
  return Number(length) > SMALL_BODY;
}

/** Reads and drops what comes, for `bound.lingerTime` and `bound.lingerBytes` at most; whether it came to its end. */
export async function linger(request: IncomingMessage): Promise<boolean> {
  await new Promise<void>((resolve) => {
    let dropped = 0;
    const done = (): void => {
      clearTimeout(timer);
      request.removeListener('data', drop);
      resolve();
    };
    const timer = setTimeout(done, bound.lingerTime);
    const drop = (chunk: Buffer): void => {
      dropped += chunk.length;
      if (dropped > bound.lingerBytes) done();
    };
    request.unpipe();
    request.on('data', drop);
    finished(request, { writable: false }, done);
    request.resume();
  });
  return request.complete;
}

/** A whole HTTP/1.1 response as bytes, for a socket that has left Node's HTTP server. */
export function wireResponse(answer: OwnAnswer): Buffer {
  const { status, headers, body } = answer;
  const lines = Object.entries({
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${body}`,
  );
}
