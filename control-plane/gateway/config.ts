import { z } from 'zod';
import { isCidr } from '../access/addresses.ts';
import { databaseConfig } from '../database/pool.ts';

const address = z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65_535) });

export const gatewayConfig = z.strictObject({
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  listen: address,
  /** Certificate chain and key in PEM, read again when they change; absent, `listen` speaks plain HTTP. */
  tls: z.strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) }).optional(),
  metrics: address,
  /** Host names that clients may use, without a port. */
  hosts: z.array(z.string().min(1).toLowerCase()).min(1),
  /** Whose X-Forwarded-For and X-Forwarded-Proto are believed: nobody's, unless said. */
  trustedProxies: z
    .array(z.string().refine(isCidr, 'Expected a CIDR, such as 10.0.0.0/8 or 2001:db8::/32'))
    .default([]),
  api: z.strictObject({ url: z.url() }),
  snapshot: z.strictObject({
    url: z.url(),
    tokenFile: z.string().min(1),
    /** JWK of the key that signs snapshots. */
    publicKey: z.string().min(1),
    /** File of the last good snapshot. */
    cache: z.string().min(1),
    intervalMs: z.int().min(50).default(1_000),
    maxAgeSeconds: z.int().positive().default(900),
  }),
  /** Private JWK (Ed25519, with a kid) that signs assertions and browser sessions. */
  assertionKey: z.string().min(1),
  database: databaseConfig,
  /** 32 random bytes in base64url, shared with the API: opens the secrets of signed requests. Absent, there are none. */
  secretsKeyFile: z.string().min(1).optional(),
  /** Where bodies of signed requests wait until they are read; absent, below the system's temporary folder. */
  spool: z.string().min(1).optional(),
  /** Directory of settlements and audit records on their way to the database. */
  outbox: z.string().min(1),
  outboxMaxBytes: z
    .int()
    .positive()
    .default(256 * 1024 * 1024),
  /** While the ledger is away, each tenant may go on for so many requests. */
  degraded: z
    .strictObject({ requestsPerTenant: z.int().nonnegative().default(20) })
    .default({ requestsPerTenant: 20 }),
});
export type GatewayConfig = z.infer<typeof gatewayConfig>;

/** Bounds that nobody has needed to change yet. Sizes in bytes, times in milliseconds. */
export const bound = {
  headerCount: 100,
  headerBytes: 16 * 1024,
  headersTimeout: 15_000,
  handshake: 10_000,
  /** For a whole request: the largest body over a slow line. */
  requestTimeout: 300_000,
  keepAlive: 65_000,
  connections: 4_096,
  /** Open at once to one endpoint, event streams and WebSockets included. */
  perEndpoint: 256,
  connectTimeout: 3_000,
  /** Silence after which an event stream, a WebSocket or a client that does not read is given up. */
  streamIdle: 600_000,
  slowReader: 120_000,
  /** After an early refusal the rest of a body is read and thrown away, so that the client gets to the answer. */
  lingerTime: 5_000,
  lingerBytes: 128 * 1024 * 1024,
  apiBody: 1024 * 1024,
  authBody: 16 * 1024,
  apiTimeout: 30_000,
  ledgerTimeout: 1_000,
  /** How long the ledger is left alone after it did not answer. */
  ledgerPause: 1_000,
  window: 60_000,
  /** Views and API calls of one principal in a window. */
  viewsPerWindow: 600,
  /** Refusals of one caller in a window that get an audit record; the others are counted. */
  auditedRefusals: 60,
  /** Sign-in attempts from one address in a window. */
  signIns: 30,
  /** Requests for tokens, likewise. */
  tokenRequests: 300,
  windowKeys: 20_000,
  /** Verified tokens and passwords that are remembered, and for how long. */
  credentials: 10_000,
  credentialTime: 60_000,
  /** How long a password that was right goes on while the API is away. */
  credentialAway: 900_000,
  nonces: 500_000,
  /** Of the body of a signed request in memory; of all of them on the disk, and how many at once. */
  spoolMemory: 256 * 1024,
  spoolTotal: 1024 * 1024 * 1024,
  spoolBodies: 64,
  sessionSeconds: 8 * 3600,
  drain: 8_000,
} as const;
