import { Agent, request as send } from 'undici';
import { messageOf } from '../../foundation/errors.ts';
import type { Access, Credentials } from './access.ts';
import { type Clock, pause, systemClock } from './clock.ts';
import { ApiError, apiErrorOf } from './errors.ts';
import type { ClientMetrics } from './metrics.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Call {
  query?: Record<string, string | undefined>;
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal | undefined;
}

/** Requests of one API server, as one identity, over connections that are kept and shared. */
export interface Transport {
  /** The parsed body of a successful answer. @throws ApiError, TransportError */
  request: (method: Method, path: string, call?: Call) => Promise<unknown>;
  /** The bytes of a long answer, such as a watch, outside the bound on requests. @throws ApiError, TransportError */
  stream: (path: string, call: Call & { signal: AbortSignal }) => Promise<AsyncIterable<Uint8Array>>;
  close: () => Promise<void>;
}

export interface TransportOptions {
  /** Named in User-Agent. */
  program: string;
  /** Requests at once; more wait their turn. */
  maxInFlight?: number;
  /** Without an answer's head, or without any of its bytes, for so long, a request has failed. */
  timeoutMs?: number;
  maxResponseBytes?: number;
  clock?: Clock;
  metrics?: ClientMetrics;
}

/** No answer: the connection failed or timed out, or the answer was not usable. */
export class TransportError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TransportError';
  }
}

/** The answer was larger than this client takes; a list can be asked for in smaller pages. */
export class ResponseTooLargeError extends TransportError {
  constructor(subject: string, limit: number) {
    super(`${subject}: the answer has more than ${limit} bytes`);
    this.name = 'ResponseTooLargeError';
  }
}

const MAX_IN_FLIGHT = 32;
const TIMEOUT_MS = 30_000;
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;
/** An error's body says why in far less. */
const MAX_ERROR_BYTES = 64 * 1024;
const CREDENTIALS_MS = 30_000;
/** 429 comes before anything was done, so any request may be sent again. */
const THROTTLED_TRIES = 5;
const LONGEST_THROTTLE_MS = 10_000;

export function createTransport(access: Access, options: TransportOptions): Transport {
  const { clock = systemClock, maxResponseBytes = MAX_RESPONSE_BYTES, metrics } = options;
  const connections = createConnections(access, options, clock);
  const { host } = access.server;

  async function open(
    method: Method,
    path: string,
    { query, body, contentType = 'application/json', signal }: Call,
    kind: 'request' | 'stream',
  ): Promise<Dispatched> {
    const { agents, headers } = await connections.current();
    const url = new URL(path, access.server);
    for (const [name, value] of Object.entries(query ?? {}))
      if (value !== undefined) url.searchParams.set(name, value);
    const started = clock.now();
    try {
      const answer = await send(url, {
        dispatcher: agents[kind],
        method,
        headers: {
          ...headers,
          accept: 'application/json',
          'user-agent': options.program,
          ...(body === undefined ? {} : { 'content-type': contentType }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ?? null,
      });
      metrics?.answered(method, host, answer.statusCode, (clock.now() - started) / 1000);
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    } catch (error) {
      metrics?.answered(method, host, '<error>', (clock.now() - started) / 1000);
      throw failure(`${method} ${path}`, error, signal);
    }
  }

  async function attempt(method: Method, path: string, call: Call): Promise<unknown> {
    const answer = await open(method, path, call, 'request');
    const subject = `${method} ${path}`;
    if (answer.status >= 300) throw await errorOf(answer, subject, call.signal);
    return parse(await read(answer, subject, maxResponseBytes, call.signal), subject);
  }

  return {
    async request(method, path, call = {}) {
      for (let tries = 1; ; tries += 1) {
        try {
          return await attempt(method, path, call);
        } catch (error) {
          const wait = throttledFor(error);
          if (wait === undefined || tries >= THROTTLED_TRIES) throw error;
          await pause(clock, wait, call.signal);
          call.signal?.throwIfAborted();
        }
      }
    },
    async stream(path, call) {
      const answer = await open('GET', path, call, 'stream');
      if (answer.status >= 300) throw await errorOf(answer, `GET ${path}`, call.signal);
      return answer.body;
    },
    close: connections.close,
  };
}

interface Dispatched {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: AsyncIterable<Uint8Array> & { destroy: () => unknown };
}

function throttledFor(error: unknown): number | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const { status, retryAfterMs } = error;
  if (status !== 429 || retryAfterMs === undefined || retryAfterMs > LONGEST_THROTTLE_MS) return undefined;
  return retryAfterMs;
}

async function errorOf(answer: Dispatched, subject: string, signal?: AbortSignal): Promise<ApiError> {
  const text = await read(answer, subject, MAX_ERROR_BYTES, signal);
  const retryAfter = answer.headers['retry-after'];
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = { message: text.slice(0, 300).trim() || `status ${answer.status}` };
  }
  return apiErrorOf(answer.status, body, subject, typeof retryAfter === 'string' ? retryAfter : undefined);
}

async function read(
  { body }: Dispatched,
  subject: string,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > limit) throw new ResponseTooLargeError(subject, limit);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof TransportError ? error : failure(subject, error, signal);
  }
  return Buffer.concat(chunks, size).toString('utf8');
}

function parse(text: string, subject: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TransportError(`${subject}: the answer is not JSON`, { cause: error });
  }
}

/** The caller's own abort stays what it is. */
function failure(subject: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) return signal.reason;
  return new TransportError(`${subject}: ${messageOf(error)}`, { cause: error });
}

interface Connections {
  current: () => Promise<{ agents: Record<'request' | 'stream', Agent>; headers: Record<string, string> }>;
  close: () => Promise<void>;
}

/** Agents live as long as the TLS material; headers are read again every half minute. */
function createConnections(
  access: Access,
  { maxInFlight = MAX_IN_FLIGHT, timeoutMs = TIMEOUT_MS }: TransportOptions,
  clock: Clock,
): Connections {
  let current:
    { credentials: Credentials; readAt: number; agents: Record<'request' | 'stream', Agent> } | undefined;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const credentials = await access.credentials();
    const readAt = clock.now();
    if (current !== undefined && sameTls(current.credentials.tls, credentials.tls)) {
      current = { ...current, credentials, readAt };
      return;
    }
    const old = current;
    const connect = { ...credentials.tls, keepAlive: true, keepAliveInitialDelay: 30_000, timeout: 10_000 };
    // One request a connection: one lost connection fails one request, and a watch never starves the others.
    const common = { allowH2: false, connect, headersTimeout: timeoutMs };
    current = {
      credentials,
      readAt,
      agents: {
        request: new Agent({ ...common, connections: maxInFlight, bodyTimeout: timeoutMs }),
        stream: new Agent({ ...common, bodyTimeout: 0 }),
      },
    };
    void old?.agents.request.close();
    void old?.agents.stream.close();
  }

  return {
    async current() {
      if (current === undefined || clock.now() - current.readAt > CREDENTIALS_MS) {
        reading ??= read().finally(() => (reading = undefined));
        await reading;
      }
      if (current === undefined) throw new TransportError('There are no credentials for the API server');
      return { agents: current.agents, headers: current.credentials.headers };
    },
    async close() {
      await Promise.all([current?.agents.request.destroy(), current?.agents.stream.destroy()]);
    },
  };
}

function sameTls(a: Credentials['tls'], b: Credentials['tls']): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
