import type { Engine, Job, JobResult, Priority } from '../engine/engine.ts';
import { probeImage } from '../imaging/probe.ts';
import type { JobOptions } from '../worker/protocol.ts';
import type { Exchange } from './surface.ts';

/** What a surface has read from a request about a picture. */
export interface Order {
  /** Undefined: the first model. */
  model: string | undefined;
  bytes: Uint8Array;
  options: JobOptions;
  priority?: Priority | undefined;
  deadlineMs?: number | undefined;
}

type Succeeded = Extract<JobResult, { ok: true }>;

/** A picture that was made, and what making it took. */
export interface Answer {
  bytes: Uint8Array;
  result: Succeeded;
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The job of an exchange, whatever its work. Notes the model for the metrics. @throws RequestError `model_unknown`. */
export function jobOf(
  exchange: Exchange,
  work: Job['work'],
  { model, priority, deadlineMs }: Pick<Order, 'model' | 'priority' | 'deadlineMs'>,
): Job {
  const { caller, request, route, api } = exchange;
  exchange.model = modelName(api.engine, model);
  const traceparent = request.headers['traceparent'];
  return {
    id: caller.requestId,
    model: exchange.model,
    principal: caller.principal,
    route,
    work,
    ...(priority === undefined ? {} : { priority }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? { traceparent } : {}),
  };
}

/** rembg's names have underscores where names of our models may not. @throws RequestError `model_unknown`. */
function modelName(engine: Engine, name: string | undefined): string {
  const names = engine.models().map((model) => model.name);
  const found = name === undefined || names.includes(name) ? name : name.replaceAll('_', '-');
  return engine.model(names.includes(found ?? '') ? found : name).name;
}

/** @throws RequestError `model_unknown`, and what is wrong with a picture that was not even decoded. */
export function pictureJob(exchange: Exchange, order: Order): Job {
  const { width, height } = probeImage(order.bytes, exchange.api.maxPixels);
  const work = {
    kind: 'background-removal',
    bytes: order.bytes,
    options: order.options,
    pixels: width * height,
  } as const;
  return jobOf(exchange, work, order);
}

/** Runs one order to its end. @throws RequestError */
export async function runPicture(exchange: Exchange, order: Order): Promise<Answer> {
  const job = pictureJob(exchange, order);
  return answerOf(await exchange.api.engine.run(job, { signal: exchange.departed }));
}

/** @throws the error of a job that came to nothing. */
export function answerOf(result: JobResult): Answer {
  if (!result.ok) throw result.error;
  if (result.output.kind !== 'background-removal') throw new Error('the job gave no picture');
  return { bytes: result.output.bytes, result };
}

export function serverTiming({ timings }: JobResult): string {
  const times = [
    ['queue', timings.queueMs],
    ['preprocess', timings.preprocessMs],
    ['inference', timings.inferenceMs],
    ['postprocess', timings.postprocessMs],
  ] as const;
  return times.map(([name, ms]) => `${name};dur=${ms.toFixed(1)}`).join(', ');
}

export function sendPicture({ response }: Exchange, { bytes, result }: Answer, contentType: string): void {
  response.writeHead(200, {
    'content-type': contentType,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'server-timing': serverTiming(result),
  });
  response.end(bytes);
}
