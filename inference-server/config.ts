import { isIP } from 'node:net';
import { z } from 'zod';
import { marksConfig } from './imaging/marks-config.ts';

const address = z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65535) });

/** Where a program listens says who can reach it: there is no default. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

const three = z.tuple([z.number(), z.number(), z.number()]);

/** As in the ImageModel resource. */
export const backgroundRemoval = z.strictObject({
  size: z.strictObject({ width: z.int().min(1).max(4096), height: z.int().min(1).max(4096) }),
  mean: three,
  std: three.refine((values) => values.every((value) => value > 0), 'each must be above 0'),
  activation: z.enum(['none', 'sigmoid']).default('none'),
});

export const modelConfig = z.strictObject({
  name: z.string().min(1),
  family: z.string().min(1),
  task: z.literal('background-removal'),
  files: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        path: z.string().min(1),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        size: z.int().positive(),
      }),
    )
    .length(1, 'a background-removal model is exactly one ONNX file'),
  pipeline: backgroundRemoval,
});
export type ModelConfig = z.infer<typeof modelConfig>;

export const executionProvider = z.enum(['cpu', 'cuda', 'tensorrt', 'webgpu']);

export const inferenceServerConfig = z
  .strictObject({
    logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
    listen: address,
    metrics: address,
    tenant: z.string().min(1),
    service: z.string().min(1),
    assertion: z.discriminatedUnion('mode', [
      z.strictObject({ mode: z.literal('required'), jwks: z.string().min(1) }),
      z.strictObject({ mode: z.literal('off') }),
    ]),
    /** The first is the one that serves a request that names none. */
    models: z
      .array(modelConfig)
      .min(1)
      .refine((models) => new Set(models.map(({ name }) => name)).size === models.length, {
        message: 'two models have the same name',
      }),
    executionProvider: executionProvider.default('cpu'),
    /** Of all models together; 0 takes what the machine or container has. */
    threads: z.int().min(0).max(1024).default(0),
    queue: z
      .strictObject({
        depth: z.int().min(1).max(10_000).default(16),
        deadlineSeconds: z.number().positive().max(3600).default(120),
      })
      .prefault({}),
    limits: z
      .strictObject({
        maxBodyBytes: z.int().positive().default(33_554_432),
        maxPixels: z.int().positive().default(50_000_000),
      })
      .prefault({}),
    /** Put into every cut-out; none by default. */
    marks: marksConfig.prefault({}),
    usage: z.strictObject({
      url: z.url(),
      tokenFile: z.string().min(1),
      outbox: z.string().min(1),
      maxBytes: z.int().positive().default(268_435_456),
    }),
  })
  .refine(({ assertion, listen }) => assertion.mode === 'required' || isLoopback(listen.host), {
    path: ['assertion', 'mode'],
    message: 'may be off only while listen.host is a loopback address: otherwise anyone could send work',
  });
export type InferenceServerConfig = z.infer<typeof inferenceServerConfig>;
