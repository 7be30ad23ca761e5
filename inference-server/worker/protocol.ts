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
const ms = z.number().nonnegative();
const shape = z.array(z.int());

/** As Open Inference Protocol names them. */
export const datatype = z.enum([
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
]);
export type Datatype = z.infer<typeof datatype>;

/** See the engine's NamedTensor. */
const namedTensor = z.strictObject({ name: z.string(), datatype, shape, data: bytes });
/** What a graph takes or gives; -1 is a size that may vary. */
const tensorSpec = z.strictObject({ name: z.string(), datatype, shape });
export type TensorSpec = z.infer<typeof tensorSpec>;

/** One job's work, without what only the engine needs. */
export const order = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('background-removal'), bytes, options: jobOptions }),
  z.strictObject({
    kind: z.literal('tensors'),
    inputs: z.array(namedTensor),
    outputs: z.array(z.string()).optional(),
  }),
]);
export type Order = z.infer<typeof order>;

export const output = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('background-removal'), bytes }),
  z.strictObject({ kind: z.literal('tensors'), outputs: z.array(namedTensor) }),
]);
export type Output = z.infer<typeof output>;

export const toModelProcess = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('load'),
    model: modelConfig,
    executionProvider,
    threads: z.int().positive(),
    maxPixels: z.int().positive(),
    marks: marksConfig,
  }),
  z.strictObject({ type: z.literal('run'), job: z.int(), order }),
]);
export type ToModelProcess = z.infer<typeof toModelProcess>;
export type LoadOrder = Extract<ToModelProcess, { type: 'load' }>;

export const jobTimings = z.strictObject({ preprocessMs: ms, inferenceMs: ms, postprocessMs: ms });
export type JobTimings = z.infer<typeof jobTimings>;

/** Of the whole process, now and at its peak. */
const memory = { residentBytes: z.int().nonnegative(), peakBytes: z.int().nonnegative() };

export const fromModelProcess = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('ready'),
    loadMs: ms,
    /** Nodes of the graph by the provider that ran them, where it is not plainly the CPU. */
    placement: z.record(z.string(), z.int()).optional(),
    inputs: z.array(tensorSpec),
    outputs: z.array(tensorSpec),
    ...memory,
  }),
  /** The model cannot be served. `permanent`: loading it again cannot help. */
  z.strictObject({
    type: z.literal('unusable'),
    code: z.string(),
    message: z.string(),
    permanent: z.boolean(),
  }),
  z.strictObject({ type: z.literal('done'), job: z.int(), output, timings: jobTimings, ...memory }),
  z.strictObject({
    type: z.literal('refused'),
    job: z.int(),
    status: z.int(),
    code: z.string(),
    message: z.string(),
    timings: jobTimings,
    ...memory,
  }),
]);
export type FromModelProcess = z.infer<typeof fromModelProcess>;
