import { z } from 'zod';

const address = z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65_535) });

export const modelStoreConfig = z.strictObject({
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  listen: address,
  /** Probes and metrics. */
  metrics: address,
  /** Folder of the blobs. One that was filled before is used as it is; its blobs are hashed once. */
  store: z.string().min(1),
  /** Of all blobs together. What no model lists any longer goes when room is needed. */
  maxBytes: z.int().positive(),
  /** Folder below which `file:` sources of ClusterImageModels may lie; absent, there are none. */
  files: z.string().min(1).optional(),
  /** Which models there are: YAML files, or the cluster's objects. */
  objects: z.union([
    z.strictObject({ paths: z.array(z.string().min(1)).min(1) }),
    z.strictObject({ kubernetes: z.strictObject({}) }),
  ]),
  /** How long a request is held while its blob is being fetched; then it is told to come again. */
  waitSeconds: z.number().positive().max(300).default(20),
  concurrentFetches: z.int().min(1).max(16).default(2),
});
export type ModelStoreConfig = z.infer<typeof modelStoreConfig>;
