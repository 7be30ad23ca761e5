import { z } from 'zod';

const count = z.int().nonnegative();

/**
 * What one job consumed, as the inference server saw it. Its id is the request's id, so that the reservation made
 * before the work, the answer and this event are counted once.
 */
export const usageEvent = z.strictObject({
  id: z.uuid({ version: 'v7' }),
  tenant: z.string().min(1),
  service: z.string().min(1),
  principal: z.string().min(1),
  model: z.strictObject({ name: z.string().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  route: z.string().min(1),
  outcome: z.enum(['succeeded', 'failed', 'cancelled', 'timed_out']),
  /** The error code answered, when the outcome is not `succeeded`. */
  code: z.string().optional(),
  /** Integers only, so that sums are exact. */
  units: z.strictObject({
    images: count,
    /** Width times height of the input. */
    pixels: count,
    /** Of models that work in steps. */
    steps: count.optional(),
    computeMs: count,
  }),
  queueMs: count,
  bytesIn: count,
  bytesOut: count,
  executionProvider: z.string().min(1),
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
