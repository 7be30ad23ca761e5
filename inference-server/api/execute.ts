import { RequestError } from '../../foundation/errors.ts';
import type { Engine, JobResult } from '../engine/engine.ts';
import { probeImage } from '../imaging/probe.ts';
import type { JobOptions } from '../worker/protocol.ts';
import type { Caller } from './caller.ts';

/** What a surface has read from a request. */
export interface Order {
  /** Undefined: the first model. */
  model: string | undefined;
  bytes: Uint8Array;
  options: JobOptions;
}

export interface Execution {
  engine: Engine;
  maxPixels: number;
}

export interface Answer {
  bytes: Uint8Array;
  timings: JobResult['timings'];
}

/** Runs one order. @throws RequestError */
export async function execute(
  { engine, maxPixels }: Execution,
  order: Order,
  context: { caller: Caller; route: string; traceparent: string | undefined; signal: AbortSignal },
): Promise<Answer> {
  const probe = probeImage(order.bytes, maxPixels);
  const { caller, route, traceparent, signal } = context;
  const result = await engine.run(
    {
      id: caller.requestId,
      model: order.model,
      principal: caller.principal,
      route,
      work: {
        kind: 'background-removal',
        bytes: order.bytes,
        options: order.options,
        pixels: probe.width * probe.height,
      },
      ...(traceparent === undefined ? {} : { traceparent }),
    },
    { signal },
  );
  if (!result.ok) throw result.error;
  if (result.output.kind !== 'background-removal')
    throw new RequestError(500, 'internal', 'The model gave something else than a picture.');
  return { bytes: result.output.bytes, timings: result.timings };
}
