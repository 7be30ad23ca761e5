import { z } from 'zod';

/**
 * How the program that fetches a pod's model ends: its exit code, and the same in words as the container's termination
 * message (JSON), which the operator makes a condition of.
 */
export const modelFetchExit = {
  /** The configuration is wrong. */
  Usage: 2,
  /** What came is not what the model's manifest says. */
  DigestMismatch: 3,
  /** The model store knows no such blob, or its source has none. */
  NotFound: 4,
  /** The model store, or the source behind it, did not answer in time; worth trying again. */
  Unreachable: 5,
  /** The pod's disk or the store's is full. */
  NoSpace: 6,
} as const;
export type ModelFetchReason = keyof typeof modelFetchExit;

export const modelFetchMessage = z.strictObject({
  reason: z.enum(['Usage', 'DigestMismatch', 'NotFound', 'Unreachable', 'NoSpace']),
  /** A sentence that says what happened and what to do next. */
  message: z.string(),
});
export type ModelFetchMessage = z.infer<typeof modelFetchMessage>;

/** Kubernetes keeps so many bytes of a termination message. */
const MAX_BYTES = 4096;

export function modelFetchMessageText({ reason, message }: ModelFetchMessage): string {
  const text = JSON.stringify({ reason, message });
  return Buffer.byteLength(text) <= MAX_BYTES
    ? text
    : JSON.stringify({ reason, message: message.slice(0, MAX_BYTES / 8) });
}

/** Error codes of the model store's `GET /blobs/sha256/{digest}`. */
export const blobError = {
  /** 404: no model lists it. */
  unknown: 'blob_unknown',
  /** 503 with Retry-After: the store is fetching it; `details` has bytes and total. */
  fetching: 'blob_fetching',
  /** 502: its source gave something else. */
  mismatch: 'source_digest_mismatch',
  /** 502: its source has no such file. */
  missing: 'source_not_found',
  /** 502: its source did not answer, or is of a form that the store does not fetch from. */
  failed: 'source_failed',
  /** 507: no room in the store. */
  full: 'store_full',
} as const;
