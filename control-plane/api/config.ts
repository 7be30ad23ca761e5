import { z } from 'zod';
import { snapshot } from '../../contracts/snapshot.ts';
import { address } from '../../foundation/address.ts';
import { databaseConfig } from '../database/pool.ts';
import { identityProvidersConfig } from '../identity/providers/config.ts';

export const apiConfig = z.strictObject({
  logLevel: z.string().default('info'),
  /** What the gateway forwards: `/api/v1/…`, each request with the gateway's assertion. */
  listen: address,
  /** The snapshot for gateways, probes and metrics. */
  internal: address,
  /** Usage events of the inference servers. */
  intake: address,
  database: databaseConfig,
  /** What is declared: YAML files, or the objects of the cluster, watched. */
  objects: z.union([
    z.strictObject({ paths: z.array(z.string().min(1)).min(1) }),
    z.strictObject({
      kubernetes: z.strictObject({
        /** Usage is written into the status of Tenants at most once in so long. */
        usageIntervalSeconds: z.int().min(1).max(3600).default(60),
      }),
    }),
  ]),
  /** With `objects.paths`: where each service answers, as base URLs by `{tenant}/{service}`. */
  endpoints: z.record(z.string(), z.array(z.url())).optional(),
  assertionJwks: z.string().min(1),
  /** Private JWK (Ed25519) that signs the snapshot. */
  snapshotKey: z.string().min(1),
  internalTokenFile: z.string().min(1),
  /** 32 random bytes in base64url, shared with the gateways: wraps the secrets of second factors and signed requests. */
  secretsKeyFile: z.string().min(1).optional(),
  /** Issuers whose JWTs gateways accept. */
  tokenIssuers: snapshot.shape.issuers,
  /** Accounts, applications and keys that were not used for so long are disabled. */
  unusedDays: z.int().min(30).max(730).default(90),
  /**
   * What browser sessions are signed with (private JWK, Ed25519), and 32 random bytes in base64url that seal what
   * providers entrust to us; neither is the gateways'. Without them, sessions end with the process.
   */
  sessions: z.strictObject({ key: z.string().min(1), sealKeyFile: z.string().min(1) }).optional(),
  /** With whom people may sign in. */
  identityProviders: identityProvidersConfig.default([]),
  /**
   * Each account is asked about at its provider so often. While a provider is silent, its people stay signed in for
   * the grace besides.
   */
  recheck: z
    .strictObject({
      minutes: z.number().min(0.05).max(1440).default(15),
      graceMinutes: z.number().min(0).max(1440).default(60),
    })
    .default({ minutes: 15, graceMinutes: 60 }),
  /** With `objects.paths`: JSON file with the SHA-256 of each service's usage token, by `{tenant}/{service}`. */
  intakeTokens: z.string().min(1).optional(),
  /** Months of audit, usage and reservations that are kept. */
  retentionMonths: z.int().min(7).default(13),
});
export type ApiConfig = z.infer<typeof apiConfig>;
