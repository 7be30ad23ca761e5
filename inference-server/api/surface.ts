import type { Request, Response } from 'express';
import { header } from '../../contracts/headers.ts';
import { type RequestError, toRequestError } from '../../foundation/errors.ts';
import { readerOf, sendJson } from '../../foundation/http.ts';
import { type Language, preferredLanguage } from '../../foundation/language.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { Engine } from '../engine/engine.ts';
import { sentence } from '../messages.ts';
import { discardRest } from './body.ts';
import type { Caller, Identify } from './caller.ts';
import type { Operation } from './operation.ts';
import type { FetchImage } from './remote-image.ts';
import type { Uploads } from './uploads.ts';

/** What every endpoint works with. */
export interface Api {
  engine: Engine;
  identify: Identify;
  uploads: Uploads;
  maxBodyBytes: number;
  maxPixels: number;
  /** Undefined: no picture is fetched from an address. */
  fetchImage: FetchImage | undefined;
  /** Counts a request by how it ended. */
  count: (request: { model: string; route: string; outcome: string; reason: string }) => void;
  now: () => Date;
  startedAt: Date;
  version: string;
  logger: Logger;
  /** Requests that are being worked on: their usage is not recorded yet. */
  underWay: Set<Promise<void>>;
}

/** One request and its answer, on their way. */
export interface Exchange {
  request: Request;
  response: Response;
  caller: Caller;
  /** Aborted when the client leaves before its answer is whole. */
  departed: AbortSignal;
  /** As metrics and usage events name it. */
  route: string;
  language: Language;
  api: Api;
  /** Noted for the metrics once it is known. */
  model: string;
}

export interface Endpoint {
  method: 'GET' | 'POST' | 'DELETE';
  /** As express writes it, with `:name` for a part. */
  path: string;
  /** Says nothing of the tenant, and needs no assertion. */
  open?: true;
  operation: Operation;
  /** @throws RequestError */
  handle: (exchange: Exchange) => Promise<void>;
}

/** A shape of the API: what it can be asked, and how it says no. */
export interface Surface {
  /** Paths that begin so are refused in its shape, also where it has no endpoint. */
  prefixes: readonly string[];
  /** `message` is in the reader's language. */
  errorBody: (error: RequestError, message: string, requestId: string) => unknown;
  /** Of an error, where its clients expect another than ours. */
  errorStatus?: (error: RequestError) => number;
  endpoints: readonly Endpoint[];
}

type Handler = (request: Request, response: Response) => Promise<void>;

export function handlerOf(surface: Surface, endpoint: Endpoint, api: Api): Handler {
  const handle = handlerWithin(surface, endpoint, api);
  return async (request, response) => {
    const work = handle(request, response);
    api.underWay.add(work);
    await work.finally(() => api.underWay.delete(work));
  };
}

const NOBODY: Caller = { requestId: '', principal: '', role: 'guest' };

/** The one way every request goes: who, what, work, answer. */
function handlerWithin(surface: Surface, endpoint: Endpoint, api: Api): Handler {
  return async (request, response) => {
    const departure = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) departure.abort();
    });
    const exchange: Exchange = {
      request,
      response,
      caller: NOBODY,
      departed: departure.signal,
      route: endpoint.path,
      language: languageOf(request),
      api,
      model: '',
    };
    const count = (outcome: string, reason: string): void => {
      if (endpoint.open !== true) api.count({ model: exchange.model, route: endpoint.path, outcome, reason });
    };
    try {
      if (endpoint.open !== true) {
        exchange.caller = await api.identify(request);
        response.setHeader(header.requestId, exchange.caller.requestId);
      }
      await endpoint.handle(exchange);
      count('succeeded', '');
    } catch (thrown) {
      const error = toRequestError(thrown);
      count(outcomeOf(error), error.code);
      logFault(api.logger, error, exchange.caller.requestId);
      refuse(surface, exchange, error);
    }
  };
}

function logFault(logger: Logger, error: RequestError, requestId: string): void {
  if (error.status < 500 && error.cause === undefined) return;
  logger.warn({ err: error.cause ?? error, code: error.code, requestId }, error.message);
}

export function languageOf(request: Request): Language {
  return preferredLanguage(request.headers['accept-language']);
}

/** Says no in the surface's shape, or, when an answer has begun, breaks the connection: half is not taken for whole. */
export function refuse(
  surface: Pick<Surface, 'errorBody' | 'errorStatus'>,
  { request, response, caller, language, api }: Exchange,
  error: RequestError,
): void {
  const requestId = caller.requestId === '' ? readerOf(request).requestId : caller.requestId;
  if (response.headersSent) response.destroy();
  else
    sendJson(
      response,
      surface.errorStatus?.(error) ?? error.status,
      surface.errorBody(error, sentence(error, language), requestId),
      {
        ...error.headers,
        'x-error-code': error.code,
        'cache-control': 'no-store',
        vary: 'accept-language',
      },
    );
  discardRest(request, 4 * api.maxBodyBytes);
}

export function exchangeOf(request: Request, response: Response, api: Api): Exchange {
  const departed = new AbortController().signal;
  const language = languageOf(request);
  return { request, response, caller: NOBODY, departed, route: request.path, language, api, model: '' };
}

function outcomeOf({ status, code }: RequestError): string {
  if (code === 'deadline_exceeded') return 'timed_out';
  if (code === 'client_disconnected') return 'cancelled';
  return status >= 500 ? 'failed' : 'refused';
}

/** One value of a path; express gives a list only for wildcards, which no path here has. */
export function pathPart({ request }: Exchange, name: string): string {
  const value = request.params[name];
  return typeof value === 'string' ? value : '';
}

export function sendPlain(exchange: Exchange, body: unknown, status = 200): void {
  sendJson(exchange.response, status, body, { 'cache-control': 'no-store' });
}
