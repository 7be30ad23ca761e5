import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ErrorRequestHandler } from 'express';
import { header } from '../contracts/headers.ts';
import type { Address } from './address.ts';
import { errorBodyOf, refusal, RequestError, toRequestError } from './errors.ts';
import { type Language, preferredLanguage } from './language.ts';
import type { Logger } from './logger.ts';

export async function listen(server: Server, address: Address): Promise<AddressInfo | string | null> {
  const socket = 'socket' in address ? address.socket : undefined;
  // A process that was killed leaves its socket behind.
  if (socket !== undefined) await rm(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen('socket' in address ? { path: address.socket } : address, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  return server.address();
}

/** Lets requests in flight end, then closes what is left after `graceMs`. */
export async function closeServer(server: Server, graceMs: number): Promise<void> {
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, graceMs);
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** Under which id an error is answered, and in which language. */
export interface ErrorReader {
  requestId: string;
  language: Language;
}

const REQUEST_ID = /^[\w-]{8,64}$/;

/** The id that the gateway gave the request, or a new one; the language that the client asks for. */
export function readerOf(request: IncomingMessage, newId: () => string = randomUUID): ErrorReader {
  const given = request.headers[header.requestId];
  return {
    requestId: typeof given === 'string' && REQUEST_ID.test(given) ? given : newId(),
    language: preferredLanguage(request.headers['accept-language']),
  };
}

/** Answers with the error, or, when an answer has begun, breaks the connection so that nobody takes half for whole. */
export function sendError(
  response: ServerResponse,
  thrown: unknown,
  { requestId, language }: ErrorReader,
): RequestError {
  const error = toRequestError(bodyParserError(thrown) ?? thrown);
  if (response.headersSent) response.destroy();
  else
    sendJson(response, error.status, errorBodyOf(error, { requestId, language }), {
      'cache-control': 'no-store',
      vary: 'accept-language',
      [header.requestId]: requestId,
      ...error.headers,
    });
  return error;
}

/** Express' last handler: one shape for every error; what is our fault is logged with its cause. */
export function errorHandler(logger: Logger): ErrorRequestHandler {
  return (
    thrown: unknown,
    request: IncomingMessage,
    response: ServerResponse,
    next: (error: unknown) => void,
  ) => {
    if (response.headersSent) {
      next(thrown);
      return;
    }
    const reader = readerOf(request);
    const error = sendError(response, thrown, reader);
    const { requestId } = reader;
    if (error.status >= 500)
      logger.error({ err: thrown, requestId, method: request.method, url: request.url }, error.message);
  };
}

/**
 * Express and its body parsers throw errors of their own, which name the client's fault in `type` and may be shown
 * (`expose`). What they say in words stays out of the answer.
 */
function bodyParserError(thrown: unknown): RequestError | undefined {
  if (!(thrown instanceof Error) || thrown instanceof RequestError) return undefined;
  const { status, type, limit } = thrown as Error & { status?: unknown; type?: unknown; limit?: unknown };
  if (typeof status !== 'number' || status < 400 || status >= 500) return undefined;
  switch (type) {
    case 'entity.too.large':
      return refusal('body_too_large', { limit });
    case 'entity.parse.failed':
      return refusal('malformed_json');
    case 'encoding.unsupported':
      return refusal('content_encoding_unsupported');
    case 'charset.unsupported':
      return refusal('media_type_unsupported', { allowed: 'UTF-8' });
    default:
      // The one error without a type is that of a parameter in the path that cannot be decoded.
      return refusal(type === undefined ? 'path_not_canonical' : 'body_unreadable');
  }
}
