import { z } from 'zod';

const count = z.int().nonnegative();
/** Far beyond what one job can be, and far below what sums of them in 64 bits can hold. */
const amount = count.max(1_000_000_000_000);
const text = z
  .string()
  .min(1)
  .max(300)
  .regex(/^[^\p{Cc}]*$/u, 'control characters are not allowed');

/**
 * What one job consumed, as the inference server saw it. Its id is the request's id, so that the reservation made
 * before the work, the answer and this event are counted once.
 */
export const usageEvent = z.strictObject({
  id: z.uuid({ version: 'v7' }),
  tenant: text,
  service: text,
  principal: text,
  model: z.strictObject({ name: text, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  route: text,
  outcome: z.enum(['succeeded', 'failed', 'cancelled', 'timed_out']),
  /** The error code answered, when the outcome is not `succeeded`. */
  code: text.optional(),
  /** Integers only, so that sums are exact. */
  units: z.strictObject({
    images: amount,
    /** Width times height of the input. */
    pixels: amount,
    /** Of models that work in steps. */
    steps: amount.optional(),
    computeMs: amount,
  }),
  queueMs: amount,
  bytesIn: amount,
  bytesOut: amount,
  executionProvider: text,
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
});
export type UsageEvent = z.infer<typeof usageEvent>;

/** Body of `POST /v1/usage-events`. */
export const usageIntakeRequest = z.strictObject({ events: z.array(z.unknown()).min(1).max(500) });

/** A rejected event will never be accepted as it is: the sender sets it aside instead of sending it again. */
export const usageIntakeResponse = z.strictObject({
  accepted: count,
  duplicates: count,
  rejected: z.array(z.strictObject({ index: count, reason: z.string() })),
});
export type UsageIntakeResponse = z.infer<typeof usageIntakeResponse>;
