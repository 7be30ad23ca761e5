import { z } from 'zod';
import { executionProvider, modelConfig } from '../config.ts';

/** What the HTTP process and a model process say to each other, by structured clone over the fork's own channel. */

const colour = z.tuple([z.int(), z.int(), z.int(), z.int()]);

/** What to make of one picture. */
export const jobOptions = z.strictObject({
  output: z.enum(['cutout', 'mask']),
  format: z.enum(['png', 'webp']),
  alpha: z.enum(['straight', 'premultiplied', 'replaced']),
  colours: z.enum(['srgb', 'as-stored']),
  smoothMask: z.boolean(),
  background: colour.optional(),
  /** Alpha by closed-form matting: what of the mask is certain, and by how much that is eroded. */
  matting: z
    .strictObject({
      foreground: z.int().min(0).max(255),
      background: z.int().min(0).max(255),
      erode: z.int().min(0),
    })
    .optional(),
  decontaminate: z.boolean().optional(),
  /** Of a model with classes: which of its masks. */
  classes: z.string().optional(),
});
export type JobOptions = z.infer<typeof jobOptions>;

const bytes = z.instanceof(Uint8Array<ArrayBufferLike>);

export const toModelProcess = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('load'),
    model: modelConfig,
    executionProvider,
    threads: z.int().positive(),
    maxPixels: z.int().positive(),
  }),
  z.strictObject({ type: z.literal('run'), job: z.int(), bytes, options: jobOptions }),
]);
export type ToModelProcess = z.infer<typeof toModelProcess>;
export type LoadOrder = Extract<ToModelProcess, { type: 'load' }>;

const ms = z.number().nonnegative();
export const jobTimings = z.strictObject({ preprocessMs: ms, inferenceMs: ms, postprocessMs: ms });
export type JobTimings = z.infer<typeof jobTimings>;

export const fromModelProcess = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready'), loadMs: ms }),
  /** The model cannot be served. `permanent`: loading it again cannot help. */
  z.strictObject({
    type: z.literal('unusable'),
    code: z.string(),
    message: z.string(),
    permanent: z.boolean(),
  }),
  z.strictObject({ type: z.literal('done'), job: z.int(), bytes, timings: jobTimings }),
  z.strictObject({
    type: z.literal('refused'),
    job: z.int(),
    status: z.int(),
    code: z.string(),
    message: z.string(),
    timings: jobTimings,
  }),
]);
export type FromModelProcess = z.infer<typeof fromModelProcess>;
