import { z } from 'zod';
import { databaseConfig } from '../database/pool.ts';

const address = z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65535) });

export const apiConfig = z.strictObject({
  logLevel: z.string().default('info'),
  /** What the gateway forwards: `/api/v1/…`, each request with the gateway's assertion. */
  listen: address,
  /** The snapshot for gateways, probes and metrics. */
  internal: address,
  /** Usage events of the inference servers. */
  intake: address,
  database: databaseConfig,
  objects: z.strictObject({ paths: z.array(z.string().min(1)).min(1) }),
  /** Where each service answers: base URLs by `{tenant}/{service}`. */
  endpoints: z.record(z.string(), z.array(z.url())),
  assertionJwks: z.string().min(1),
  /** Private JWK (Ed25519) that signs the snapshot. */
  snapshotKey: z.string().min(1),
  internalTokenFile: z.string().min(1),
  /** JSON file: SHA-256 of each service's usage token, by `{tenant}/{service}`. */
  intakeTokens: z.string().min(1),
  /** Months of audit, usage and reservations that are kept. */
  retentionMonths: z.int().min(7).default(13),
});
export type ApiConfig = z.infer<typeof apiConfig>;
