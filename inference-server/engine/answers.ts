import { refusal, RequestError } from '../../foundation/errors.ts';
import type { Problem } from './problem.ts';

/** What is said of a model and its queue when there is no result, in one place. */

export function starting(model: string): Problem {
  return { code: 'model_starting', message: `${model} is being verified, loaded and warmed up.` };
}

export function restarting(model: string): Problem {
  return { code: 'model_restarting', message: `The process of ${model} ended, and is being started again.` };
}

export function diedWhileLoading(model: string, cause: string): Problem {
  return { code: 'model_process_died', message: `The process of ${model} ended while it loaded: ${cause}.` };
}

export function notReady(model: string, problem: Problem): RequestError {
  return new RequestError(
    503,
    'model_not_ready',
    `${model} cannot take work: ${problem.message} Try again later.`,
    { details: { model, retryAfter: 5 }, headers: { 'retry-after': '5' } },
  );
}

export function queueFull(model: string, depth: number, retryAfterSeconds: number): RequestError {
  return new RequestError(
    503,
    'queue_full',
    `${depth} requests are waiting for ${model} already. Try again in ${retryAfterSeconds} s.`,
    {
      details: { limit: depth, retryAfter: retryAfterSeconds },
      headers: { 'retry-after': String(retryAfterSeconds) },
    },
  );
}

export function stopping(): RequestError {
  return refusal('server_stopping', { retryAfter: 1 });
}

export function waitedTooLong(deadlineMs: number): RequestError {
  return deadlineExceeded(
    deadlineMs,
    `The request waited ${deadlineMs / 1000} s for its turn. Try again when there is less to do.`,
  );
}

export function tooLateToBegin(deadlineMs: number): RequestError {
  return deadlineExceeded(
    deadlineMs,
    `The request waited so long that it could not be finished within its ${deadlineMs / 1000} s. Try again when there is less to do.`,
  );
}

export function killed(deadlineMs: number): RequestError {
  return deadlineExceeded(
    deadlineMs,
    `The work took longer than the ${deadlineMs / 1000} s allowed, and was stopped. Send a smaller picture, or ask your administrator for a longer deadline.`,
  );
}

function deadlineExceeded(deadlineMs: number, message: string): RequestError {
  return new RequestError(504, 'deadline_exceeded', message, { details: { limit: deadlineMs / 1000 } });
}

export function died(cause: string): RequestError {
  return new RequestError(
    502,
    'model_process_died',
    `The process of the model ended while it worked on this picture: ${cause}. It is being started again: send the request again.`,
    { details: { retryAfter: 2 }, headers: { 'retry-after': '2' } },
  );
}

export function cancelled(): RequestError {
  return refusal('client_disconnected');
}
