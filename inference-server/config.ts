import { isIP } from 'node:net';
import { z } from 'zod';
import { type Address, address, tcpAddress } from '../foundation/address.ts';
import { marksConfig } from './imaging/marks-config.ts';

/** Where a program listens says who can reach it: there is no default. */
function isOfThisMachine(listen: Address): boolean {
  if ('socket' in listen) return true;
  const { host } = listen;
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

const three = z.tuple([z.number(), z.number(), z.number()]);

/** As in the ImageModel resource. */
export const backgroundRemoval = z.strictObject({
  size: z.strictObject({ width: z.int().min(1).max(4096), height: z.int().min(1).max(4096) }),
  mean: three,
  std: three.refine((values) => values.every((value) => value > 0), 'each must be above 0'),
  activation: z.enum(['none', 'sigmoid']).default('none'),
  classes: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        values: z.array(z.int().min(0).max(254)).min(1),
        byDefault: z.boolean().default(true),
      }),
    )
    .min(1)
    .optional(),
});

const file = z.strictObject({
  name: z.string().min(1),
  path: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.int().positive(),
});

/** What every model has, whatever it does. */
const model = {
  name: z.string().min(1),
  family: z.string().min(1),
  /** `on-demand`: at its first job; unloaded again when idle, or when another one needs the memory. */
  load: z.enum(['always', 'on-demand']).default('always'),
  /** What its process holds at its peak, while that has not been measured. */
  memoryMiB: z.int().positive().optional(),
};

export const modelConfig = z.discriminatedUnion('task', [
  z.strictObject({
    ...model,
    task: z.literal('background-removal'),
    files: z.array(file).length(1, 'a background-removal model is exactly one ONNX file'),
    pipeline: backgroundRemoval,
  }),
  /** Any graph: tensors in, tensors out. */
  z.strictObject({
    ...model,
    task: z.literal('tensors'),
    /** The graph first; then what it names as external data, in the same folder. */
    files: z.array(file).min(1),
  }),
]);
export type ModelConfig = z.infer<typeof modelConfig>;

export const executionProvider = z.enum(['cpu', 'cuda', 'tensorrt', 'webgpu']);

export const inferenceServerConfig = z
  .strictObject({
    logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
    listen: address,
    metrics: tcpAddress,
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
        /** Jobs that wait for one model. */
        depth: z.int().min(1).max(10_000).default(16),
        deadlineSeconds: z.number().positive().max(3600).default(120),
      })
      .prefault({}),
    memory: z
      .strictObject({
        /** Of all model processes together; 0 takes four fifths of what the machine or container has. */
        budgetMiB: z.int().min(0).default(0),
        /** Of the inputs of all jobs that wait or run, in the HTTP process. */
        waitingMiB: z.int().min(1).default(256),
      })
      .prefault({}),
    /** Of models that are loaded on demand; 0 keeps them. */
    idleUnloadSeconds: z.number().min(0).max(604_800).default(300),
    /** When a model process is replaced by a fresh one; 0 is never. */
    recycle: z
      .strictObject({
        afterRuns: z.int().min(0).default(0),
        /** Beyond what it held when it was warm. */
        growthMiB: z.int().min(0).default(1024),
      })
      .prefault({}),
    /** Results of equal jobs are given again, and equal jobs at once run once. Without it nothing is remembered. */
    cache: z
      .strictObject({
        maxMiB: z.int().min(1).default(256),
        ttlSeconds: z.number().positive().max(604_800).default(3600),
      })
      .optional(),
    /** Submitted jobs are kept for their results to be fetched. */
    jobs: z
      .strictObject({
        maxKept: z.int().min(1).max(1_000_000).default(1000),
        maxMiB: z.int().min(1).default(256),
        keepSeconds: z.number().positive().max(604_800).default(600),
      })
      .prefault({}),
    limits: z
      .strictObject({
        maxBodyBytes: z.int().positive().default(33_554_432),
        maxPixels: z.int().positive().default(50_000_000),
      })
      .prefault({}),
    /** Pictures from addresses that clients name. Off: this server opens no connection that a client asks for. */
    remoteImages: z
      .strictObject({
        enabled: z.boolean().default(false),
        schemes: z
          .array(z.enum(['https', 'http']))
          .min(1)
          .default(['https']),
        ports: z.array(z.int().min(1).max(65_535)).min(1).default([443]),
        /** Networks, besides the public Internet, that may be fetched from. */
        allowedNetworks: z.array(z.union([z.cidrv4(), z.cidrv6()])).default([]),
        maxRedirects: z.int().min(0).max(10).default(3),
        /** Over all redirects. */
        timeoutSeconds: z.number().positive().max(120).default(15),
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
  .refine(({ assertion, listen }) => assertion.mode === 'required' || isOfThisMachine(listen), {
    path: ['assertion', 'mode'],
    message: 'may be off only while listen.host is a loopback address: otherwise anyone could send work',
  });
export type InferenceServerConfig = z.infer<typeof inferenceServerConfig>;
