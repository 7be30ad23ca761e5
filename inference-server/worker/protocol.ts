import { z } from 'zod';
import { executionProvider, modelConfig } from '../config.ts';
import { outputFormats } from '../imaging/output-formats.ts';
import { marksConfig } from '../imaging/marks-config.ts';

/** What the HTTP process and a model process say to each other, by structured clone over the fork's own channel. */

const colour = z.tuple([z.int(), z.int(), z.int(), z.int()]);

/** What to make of one picture. */
export const jobOptions = z.strictObject({
  output: z.enum(['cutout', 'mask']),
  format: z.enum(outputFormats),
  quality: z.int().min(1).max(100).optional(),
  alpha: z.enum(['straight', 'premultiplied', 'replaced']),
  colours: z.enum(['srgb', 'as-stored']),
  smoothMask: z.boolean(),
  background: colour.optional(),
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
    marks: marksConfig.default({}),
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
