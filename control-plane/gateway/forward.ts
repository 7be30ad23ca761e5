import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Readable, Transform, type Writable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Dispatcher } from 'undici';
import type { RequestError } from '../../foundation/errors.ts';
import { gzipHeaders, isCompressible } from './compress.ts';
import { bound } from './config.ts';
import type { SpooledBody } from './body-spool.ts';
import type { Endpoint } from './endpoints.ts';
import { refusal } from './messages.ts';

export interface Transfer {
  bytesIn: number;
  bytesOut: number;
}

export interface ForwardOptions {
  request: IncomingMessage;
  response: ServerResponse;
  endpoint: Endpoint;
  path: string;
  /** Complete, name and value in turn; the framing of the body is added here. */
  headers: string[];
  maxBodyBytes: number;
  /** Until the service's answer begins, counted from the end of the request. */
  timeoutMs: number;
  /** The body, when it was read to its end before. */
  spooled: SpooledBody | undefined;
  /** Whether the client takes text compressed, and nothing speaks against it. */
  compress: boolean;
  /** Turns the service's headers into the client's. */
  responseHeaders: (raw: string[]) => string[];
  /** Counts up as bytes pass. */
  transfer: Transfer;
  /** Called when the service's connection is ready for the body. */
  onStart: () => void;
  /** The answer has begun; `stream` when its end is not in sight. */
  onAnswer: (status: number, stream: boolean) => void;
  /** The answer is complete and its last byte not yet sent: what is awaited here is done before the client has it all. */
  beforeEnd: (status: number) => Promise<void>;
  /** Aborting ends both sides. */
  signal: AbortSignal;
}

export type ForwardResult =
  | { kind: 'completed'; status: number }
  /** The client left; the status is what the service had answered by then, if it had. */
  | { kind: 'client-gone'; status: number | undefined }
  /** The service broke off its answer, and so the client's was broken off too. */
  | { kind: 'broken'; status: number }
  /** Nothing has been answered yet. */
  | { kind: 'failed'; error: RequestError; unreachable: boolean };

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function failureOf(error: Error, timeoutMs: number): { error: RequestError; unreachable: boolean } {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'UND_ERR_HEADERS_TIMEOUT')
    return {
      error: refusal('upstream_timeout', { limit: Math.round(timeoutMs / 1000) }),
      unreachable: false,
    };
  const unreachable = UNREACHABLE.has(code);
  return { error: refusal(unreachable ? 'upstream_unreachable' : 'upstream_failed'), unreachable };
}

export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** The request body, counted. Its own stream, so that undici may destroy it without the client's connection. */
function countedBody(
  request: IncomingMessage,
  { maxBodyBytes, transfer }: ForwardOptions,
  onTooLarge: (error: RequestError) => void,
): Transform {
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      transfer.bytesIn += chunk.length;
      if (transfer.bytesIn <= maxBodyBytes) {
        done(null, chunk);
        return;
      }
      const error = refusal('body_too_large', { limit: maxBodyBytes });
      onTooLarge(error);
      done(error);
    },
  });
  body.on('error', () => request.unpipe(body));
  request.on('error', (error) => body.destroy(error));
  request.once('close', () => {
    if (!request.complete) body.destroy(new Error('the client broke off its body'));
  });
  return request.pipe(body);
}

/** What goes to the service, with its length where that is known. */
function bodyOf(
  options: ForwardOptions,
  onTooLarge: (error: RequestError) => void,
): { body: Readable | null; length: string | undefined } {
  const { request, spooled, transfer } = options;
  if (spooled !== undefined) {
    transfer.bytesIn = spooled.size;
    return { body: spooled.size === 0 ? null : spooled.stream(), length: String(spooled.size) };
  }
  if (!hasBody(request)) return { body: null, length: undefined };
  return { body: countedBody(request, options, onTooLarge), length: request.headers['content-length'] };
}

function textHeaders(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return [];
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')));
}

/** Streams a request to a service and its answer back, neither side faster than the other takes it. */
export function forward(options: ForwardOptions): Promise<ForwardResult> {
  const { request, response, endpoint, transfer, signal } = options;
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined;
    let status: number | undefined;
    let gone = false;
    let tooLarge: RequestError | undefined;
    let slowReader: NodeJS.Timeout | undefined;
    let heldBack: Buffer | undefined;
    let expected: number | undefined;
    /** What the answer's bytes are written to. */
    let sink: Writable = response;

    const settleWith = (result: ForwardResult): void => {
      clearTimeout(slowReader);
      response.removeListener('close', onClose);
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const onClose = (): void => {
      gone = true;
      controller?.abort(new Error('the client is gone'));
    };
    const onAbort = (): void => {
      response.destroy();
    };
    const clientLeft = (): boolean => gone || response.destroyed || (request.destroyed && !request.complete);
    const failed = (error: Error): void => {
      if (clientLeft()) settleWith({ kind: 'client-gone', status });
      else if (status !== undefined) {
        settleWith({ kind: 'broken', status });
        response.destroy();
      } else if (tooLarge !== undefined) settleWith({ kind: 'failed', error: tooLarge, unreachable: false });
      else settleWith({ kind: 'failed', ...failureOf(error, options.timeoutMs) });
    };

    response.once('close', onClose);
    signal.addEventListener('abort', onAbort, { once: true });
    const { body, length } = bodyOf(options, (error) => {
      tooLarge = error;
    });

    endpoint.pool.dispatch(
      {
        path: options.path,
        method: request.method ?? 'GET',
        headers: [
          ...options.headers,
          ...(body !== null && length !== undefined ? ['content-length', length] : []),
        ],
        body,
        headersTimeout: options.timeoutMs,
        bodyTimeout: bound.streamIdle,
      },
      {
        onRequestStart(started) {
          controller = started;
          if (gone) started.abort(new Error('the client is gone'));
          else options.onStart();
        },
        onResponseStart(started, code) {
          if (code < 200) return;
          status = code;
          const raw = textHeaders(started.rawHeaders);
          expected = contentLength(raw, request.method, code);
          options.onAnswer(code, expected === undefined);
          const headers = options.responseHeaders(raw);
          const compressible = isCompressible(request.method ?? '', code, headers);
          if (compressible) headers.push('vary', 'accept-encoding');
          if (compressible && options.compress) {
            response.writeHead(code, gzipHeaders(headers));
            sink = gzipTo(response);
          } else response.writeHead(code, headers);
          if (expected === undefined) response.flushHeaders();
        },
        onResponseData(source, chunk) {
          transfer.bytesOut += chunk.length;
          if (transfer.bytesOut === expected) {
            heldBack = chunk;
            return;
          }
          if (sink.write(chunk)) return;
          source.pause();
          slowReader = setTimeout(() => response.destroy(), bound.slowReader);
          sink.once('drain', () => {
            clearTimeout(slowReader);
            source.resume();
          });
        },
        onResponseEnd() {
          const code = status ?? 502;
          options.beforeEnd(code).then(
            () => {
              if (clientLeft()) {
                settleWith({ kind: 'client-gone', status: code });
                return;
              }
              settleWith({ kind: 'completed', status: code });
              sink.end(heldBack);
            },
            (error: unknown) => {
              failed(error instanceof Error ? error : new Error(String(error)));
            },
          );
        },
        onResponseError(_controller, error) {
          failed(error);
        },
      },
    );
  });
}

/**
 * A compressor before the client's connection, as slow as that is. What it has not been given it cannot give away: the
 * last bytes of the answer are held back from it as they are from the client.
 */
function gzipTo(response: ServerResponse): Writable {
  const gzip = createGzip({ level: bound.gzipLevel });
  gzip.on('error', () => response.destroy());
  response.once('close', () => gzip.destroy());
  gzip.pipe(response);
  return gzip;
}

/** Bytes that the answer's body will have; undefined when it says so only by ending. */
function contentLength(raw: string[], method: string | undefined, status: number): number | undefined {
  if (method === 'HEAD' || status === 204 || status === 304) return 0;
  const index = raw.findIndex((name, at) => at % 2 === 0 && name.toLowerCase() === 'content-length');
  return index === -1 ? undefined : Number(raw[index + 1]);
}
