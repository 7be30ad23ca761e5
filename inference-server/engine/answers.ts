import { RequestError } from '../../foundation/errors.ts';
import { retryAfterSeconds } from './estimates.ts';
import type { Problem } from './problem.ts';

/** What is said of a model and its queue when there is no result, in one place. */

export function starting(model: string): Problem {
  return { code: 'model_starting', message: `${model} is being verified, loaded and warmed up.` };
}

export function restarting(model: string): Problem {
  return { code: 'model_restarting', message: `The process of ${model} ended, and is being started again.` };
}

export function unloadedByHand(model: string): Problem {
  return { code: 'model_unloaded', message: `${model} was unloaded on request.` };
}

export function diedWhileLoading(model: string, cause: string): Problem {
  return { code: 'model_process_died', message: `The process of ${model} ended while it loaded: ${cause}.` };
}

const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

export function tooLarge(model: string, memory: { need: number; budget: number; pinned: number }): Problem {
  const others =
    memory.pinned === 0 ? '' : `, of which models that are always loaded hold ${mib(memory.pinned)}`;
  return {
    code: 'model_too_large',
    message: `${model} needs about ${mib(memory.need)}; the memory budget for models is ${mib(memory.budget)}${others}.`,
  };
}

export function notReady(model: string, problem: Problem, retryAfterMs: number): RequestError {
  const code = problem.code === 'model_too_large' ? problem.code : 'model_not_ready';
  return new RequestError(503, code, `${model} cannot take work: ${problem.message} Try again later.`, {
    headers: retryAfter(retryAfterMs),
    details: { problem: problem.code },
  });
}

export function modelUnknown(name: string | undefined, names: string[]): RequestError {
  return new RequestError(
    422,
    'model_unknown',
    `This service has no model ${name ?? ''}. It has ${names.join(', ')}; leave the model out to use ${names[0] ?? ''}.`,
    { details: { models: names } },
  );
}

export function taskUnsupported(model: string): RequestError {
  return new RequestError(
    422,
    'task_unsupported',
    `${model} takes tensors, not pictures: use Open Inference Protocol (/v2), or another model.`,
  );
}

export function notReplaced(model: string, reason: string): RequestError {
  return new RequestError(
    409,
    'model_not_replaced',
    `${model} was not replaced, and goes on as it was: ${reason}`,
  );
}

export function jobExists(id: string): RequestError {
  return new RequestError(409, 'job_exists', `There is a job ${id} already. Each needs an id of its own.`);
}

export function tooManyWaiting(model: string, waiting: number, retryAfterMs: number): RequestError {
  return new RequestError(
    429,
    'too_many_waiting',
    `${waiting} of your requests wait for ${model} already, and the rest of its queue is for others. Try again in ${retryAfterSeconds(retryAfterMs)} s.`,
    { headers: retryAfter(retryAfterMs) },
  );
}

export function queueFull(model: string, waiting: number, retryAfterMs: number): RequestError {
  return new RequestError(
    503,
    'queue_full',
    `${waiting} requests are waiting for ${model} already. Try again in ${retryAfterSeconds(retryAfterMs)} s.`,
    { headers: retryAfter(retryAfterMs) },
  );
}

export function queueFullOfBytes(maxBytes: number, retryAfterMs: number): RequestError {
  return new RequestError(
    503,
    'queue_full',
    `What waits here has more than ${mib(maxBytes)} already. Try again in ${retryAfterSeconds(retryAfterMs)} s.`,
    { headers: retryAfter(retryAfterMs) },
  );
}

export function stopping(): RequestError {
  return new RequestError(503, 'server_stopping', 'This server is being stopped. Send the request again.', {
    headers: { 'retry-after': '1' },
  });
}

export function outboxFull(): RequestError {
  return new RequestError(
    503,
    'usage_outbox_full',
    'This server cannot record more usage until its events are taken, and does no work that it cannot record. Tell your administrator.',
    { headers: { 'retry-after': '30' } },
  );
}

export function notRecorded(cause: unknown): RequestError {
  return new RequestError(
    503,
    'usage_not_recorded',
    'The work was done, but its usage could not be recorded, so its result is not given out. Try again later.',
    { cause, headers: { 'retry-after': '30' } },
  );
}

export function waitedTooLong(deadlineMs: number): RequestError {
  return deadlineExceeded(
    `The request waited ${deadlineMs / 1000} s for its turn. Try again when there is less to do.`,
  );
}

export function tooLateToBegin(deadlineMs: number): RequestError {
  return deadlineExceeded(
    `The request waited so long that it could not be finished within its ${deadlineMs / 1000} s. Try again when there is less to do.`,
  );
}

export function killed(deadlineMs: number): RequestError {
  return deadlineExceeded(
    `The work took longer than the ${deadlineMs / 1000} s allowed, and was stopped. Send a smaller picture, or ask your administrator for a longer deadline.`,
  );
}

function deadlineExceeded(message: string): RequestError {
  return new RequestError(504, 'deadline_exceeded', message);
}

export function died(cause: string): RequestError {
  return new RequestError(
    502,
    'model_process_died',
    `The process of the model ended while it worked on this request: ${cause}. It is being started again: send the request again.`,
    { headers: { 'retry-after': '2' } },
  );
}

/** A client that is not there any more gets no answer; the status is for the records. */
export function disconnected(): RequestError {
  return new RequestError(499, 'client_disconnected', 'The client left before there was an answer.');
}

export function cancelled(): RequestError {
  return new RequestError(409, 'job_cancelled', 'The job was cancelled on request.');
}

function retryAfter(ms: number): Record<string, string> {
  return { 'retry-after': String(retryAfterSeconds(ms)) };
}

export function refused(outcome: { status: number; code: string; message: string }): RequestError {
  return new RequestError(outcome.status, outcome.code, outcome.message);
}
