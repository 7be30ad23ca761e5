import { rm } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ErrorRequestHandler } from 'express';
import type { Address } from './address.ts';
import { errorBodyOf, RequestError, toRequestError } from './errors.ts';
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

/** Answers with the error, or, when an answer has begun, breaks the connection so that nobody takes half for whole. */
export function sendError(response: ServerResponse, thrown: unknown, requestId?: string): RequestError {
  const error = toRequestError(thrown);
  if (response.headersSent) response.destroy();
  else sendJson(response, error.status, errorBodyOf(error, requestId), error.headers);
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
    const error = sendError(response, bodyParserError(thrown) ?? thrown);
    if (error.status >= 500)
      logger.error({ err: thrown, method: request.method, url: request.url }, error.message);
  };
}

/** Express' body parser throws errors of its own that name the client's fault in `type`. */
function bodyParserError(thrown: unknown): RequestError | undefined {
  if (!(thrown instanceof Error) || !('type' in thrown)) return undefined;
  if (thrown.type === 'entity.too.large')
    return new RequestError(413, 'body_too_large', 'The body is too large.');
  if (thrown.type === 'entity.parse.failed')
    return new RequestError(400, 'malformed_json', `The body is not JSON: ${thrown.message}.`);
  return undefined;
}
