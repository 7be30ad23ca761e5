import type { UsageEvent } from '../../contracts/usage-event.ts';
import { refusal, type RequestError } from '../../foundation/errors.ts';
import type { Outbox } from '../../foundation/outbox.ts';
import type { JobResult, ModelEngine } from '../engine/model-engine.ts';
import { probeImage } from '../imaging/probe.ts';
import { type Job, usageEventOf } from '../usage/event.ts';
import type { JobOptions } from '../worker/protocol.ts';
import type { Caller } from './caller.ts';

/** What a surface has read from a request. */
export interface Order {
  /** Undefined: the first model. */
  model: string | undefined;
  bytes: Uint8Array;
  options: JobOptions;
}

export interface ServedModel {
  engine: ModelEngine;
  sha256: string;
}

export interface Execution {
  models: ReadonlyMap<string, ServedModel>;
  outbox: Pick<Outbox<UsageEvent>, 'append' | 'full'>;
  tenant: string;
  service: string;
  executionProvider: string;
  maxPixels: number;
  now: () => Date;
  observe: (model: string, result: JobResult) => void;
}

export type Answer = Extract<JobResult, { ok: true }>;

/** @throws RequestError `model_unknown`. */
export function modelOf(models: Execution['models'], name: string | undefined): ServedModel {
  const [first] = models.values();
  const model = name === undefined ? first : models.get(name);
  if (model !== undefined) return model;
  const names = [...models.keys()];
  throw refusal('model_unknown', { model: name ?? '', models: names.join(', ') });
}

/**
 * Runs one order. What it consumed is on disk before its answer is given, whether it succeeded or not.
 * @throws RequestError
 */
export async function execute(
  execution: Execution,
  order: Order,
  context: { caller: Caller; route: string; signal: AbortSignal },
): Promise<Answer> {
  const { models, outbox, now } = execution;
  if (outbox.full()) throw outboxFull();
  const model = modelOf(models, order.model);
  const probe = probeImage(order.bytes, execution.maxPixels);
  const job: Job = {
    id: context.caller.requestId,
    tenant: execution.tenant,
    service: execution.service,
    principal: context.caller.principal,
    model: { name: model.engine.name, sha256: model.sha256 },
    route: context.route,
    pixels: probe.width * probe.height,
    bytesIn: order.bytes.length,
    executionProvider: execution.executionProvider,
    startedAt: now(),
  };
  const result = await model.engine.submit(order.bytes, order.options, context.signal);
  execution.observe(model.engine.name, result);
  await outbox.append(usageEventOf(job, result, now())).catch((error: unknown) => {
    throw notRecorded(error);
  });
  if (!result.ok) throw result.error;
  return result;
}

function outboxFull(): RequestError {
  return refusal('usage_outbox_full', { retryAfter: 30 });
}

function notRecorded(cause: unknown): RequestError {
  return refusal('usage_not_recorded', { retryAfter: 30 }, {}, cause);
}
