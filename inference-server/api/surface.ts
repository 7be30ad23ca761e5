import type { Request, Response } from 'express';
import { header } from '../../contracts/headers.ts';
import { type RequestError, toRequestError } from '../../foundation/errors.ts';
import { sendJson } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { Metrics } from '../metrics.ts';
import { discardRest } from './body.ts';
import type { Caller, Identify } from './caller.ts';
import { type Answer, execute, type Execution, type Order } from './execute.ts';
import type { Uploads } from './uploads.ts';

/** One shape of the API: how it is asked, and how it says no. */
export interface Surface {
  route: string;
  /** @throws RequestError */
  read: (request: Request, maxBytes: number) => Promise<Order>;
  errorBody: (error: RequestError, requestId: string | undefined) => unknown;
}

export interface SurfaceContext {
  execution: Execution;
  identify: Identify;
  uploads: Uploads;
  maxBodyBytes: number;
  metrics: Metrics;
  logger: Logger;
  /** Requests that are being worked on: their usage is not recorded yet. */
  underWay: Set<Promise<void>>;
}

export function handlerOf(
  surface: Surface,
  context: SurfaceContext,
): (request: Request, response: Response) => Promise<void> {
  const handle = handlerWithin(surface, context);
  return async (request, response) => {
    const work = handle(request, response);
    context.underWay.add(work);
    await work.finally(() => context.underWay.delete(work));
  };
}

/** The one way every request goes: who, what, work, answer. */
function handlerWithin(
  surface: Surface,
  context: SurfaceContext,
): (request: Request, response: Response) => Promise<void> {
  const { execution, metrics } = context;
  return async (request, response) => {
    const departure = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) departure.abort();
    });
    let caller: Caller | undefined;
    let model = '';
    const count = (outcome: string, reason: string): void => {
      metrics.requests.inc({ model, route: surface.route, outcome, reason });
    };
    try {
      caller = await context.identify(request);
      response.setHeader(header.requestId, caller.requestId);
      const order = await context.uploads.during(() => surface.read(request, context.maxBodyBytes));
      model = execution.engine.model(order.model).name;
      const { route } = surface;
      const traceparent = request.get('traceparent');
      const { signal } = departure;
      const answer = await execute(execution, order, { caller, route, traceparent, signal });
      count('succeeded', '');
      sendPicture(response, answer, order);
    } catch (thrown) {
      const error = toRequestError(thrown);
      count(outcomeOf(error), error.code);
      if (error.status >= 500 || error.cause !== undefined)
        context.logger.warn(
          { err: error.cause ?? error, code: error.code, requestId: caller?.requestId },
          error.message,
        );
      if (response.headersSent) response.destroy();
      else sendJson(response, error.status, surface.errorBody(error, caller?.requestId), error.headers);
      discardRest(request, 4 * context.maxBodyBytes);
    }
  };
}

function outcomeOf({ status, code }: RequestError): string {
  if (code === 'deadline_exceeded') return 'timed_out';
  if (code === 'client_disconnected') return 'cancelled';
  return status >= 500 ? 'failed' : 'refused';
}

function sendPicture(response: Response, { bytes, timings }: Answer, { options }: Order): void {
  const times = [
    ['queue', timings.queueMs],
    ['preprocess', timings.preprocessMs],
    ['inference', timings.inferenceMs],
    ['postprocess', timings.postprocessMs],
  ] as const;
  response.writeHead(200, {
    'content-type': `image/${options.format}`,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'server-timing': times.map(([name, ms]) => `${name};dur=${ms.toFixed(1)}`).join(', '),
  });
  response.end(bytes);
}
