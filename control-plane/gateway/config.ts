import { z } from 'zod';
import { tcpAddress } from '../../foundation/address.ts';
import { isCidr } from '../access/addresses.ts';
import { databaseConfig } from '../database/pool.ts';

/** Exactly as a browser writes it: no path, no trailing slash, no default port, lower case; neither `*` nor `null`. */
function isOrigin(text: string): boolean {
  return /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

export const gatewayConfig = z.strictObject({
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info'),
  listen: tcpAddress,
  /** Certificate chain and key in PEM, read again when they change; absent, `listen` speaks plain HTTP. */
  tls: z.strictObject({ certFile: z.string().min(1), keyFile: z.string().min(1) }).optional(),
  metrics: tcpAddress,
  /** Host names that clients may use, without a port. */
  hosts: z.array(z.string().min(1).toLowerCase()).min(1),
  /** Whose X-Forwarded-For and X-Forwarded-Proto are believed: nobody's, unless said. */
  trustedProxies: z
    .array(z.string().refine(isCidr, 'Expected a CIDR, such as 10.0.0.0/8 or 2001:db8::/32'))
    .default([]),
  /** Origins whose pages may call services and the API with keys, tokens and signatures, never with cookies. */
  cors: z
    .strictObject({
      origins: z
        .array(
          z
            .string()
            .refine(isOrigin, 'Expected an origin as browsers send it, such as https://app.example.com'),
        )
        .max(100)
        .default([]),
    })
    .default({ origins: [] }),
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
  /**
   * Where there is more than one gateway: a Valkey or Redis server (with `maxmemory-policy noeviction`) that they share
   * windows and leases by.
   */
  sharedLimits: z
    .strictObject({
      url: z.url({ protocol: /^rediss?$/ }),
      passwordFile: z.string().min(1).optional(),
      /** How many gateways there are at most, those that died in the last 17 minutes included. */
      gateways: z.int().min(1).max(256),
      /** Names this gateway, the same after a restart; absent, host name and port. */
      name: z.string().min(1).max(200).optional(),
    })
    .optional(),
  /** While the ledger is away, each tenant may go on for so many requests, at a twentieth of its quota the most. */
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
  /** Of one IPv4 address or one /64 of IPv6, proxies that are trusted aside. */
  connectionsOfAddress: 1_024,
  /** Open at once to one endpoint, event streams and WebSockets included. */
  perEndpoint: 256,
  connectTimeout: 3_000,
  /** Silence after which an event stream, a WebSocket or a client that does not read is given up. */
  streamIdle: 600_000,
  slowReader: 120_000,
  /** Text within these sizes is compressed: less gains nothing, more takes time from others. */
  gzipFrom: 1024,
  gzipTo: 1024 * 1024,
  gzipLevel: 5,
  /** After an early refusal the rest of a body is read and thrown away, so that the client gets to the answer. */
  lingerTime: 5_000,
  lingerBytes: 128 * 1024 * 1024,
  apiBody: 1024 * 1024,
  authBody: 16 * 1024,
  apiBodyTime: 10_000,
  apiTimeout: 30_000,
  ledgerTimeout: 1_000,
  ledgerConnections: 10,
  /** Fewer than there are connections, so that none is waited for. A tenant's requests lock the same rows in any case. */
  ledgerBulkhead: { total: 8, perKey: 3, waitingPerKey: 256, waitMs: 2_000 },
  /** How long a spent quota is refused without asking again. */
  spent: 1_000,
  /** How long the ledger is left alone after it did not answer. */
  ledgerPause: 1_000,
  window: 60_000,
  /** What is left of the windows' limits in reduced service. */
  reducedFactor: 0.5,
  /** How long cached principals go on while the ledger or the shared limits are away. */
  outage: 900_000,
  /** After so long without news of it, a snapshot counts as old. */
  snapshotOld: 30_000,
  leaseRenewal: 240_000,
  /** Valkey or Redis has so long to answer. */
  sharedTimeout: 50,
  sharedBeat: 1_000,
  sharedStale: 3_000,
  sharedLease: 30_000,
  /** Views and API calls of one principal in a window. */
  viewsPerWindow: 600,
  /** Open at once, event streams included: no one takes all places at a service or the API. */
  viewsOfPrincipal: 32,
  viewsOfTenant: 128,
  /** Refusals of one caller in a window that get an audit record; the others are counted. */
  auditedRefusals: 60,
  /** Sign-in attempts from one address in a window. */
  signIns: 30,
  /** Requests for tokens, likewise. */
  tokenRequests: 300,
  windowKeys: 20_000,
  /** The part of its limits that a principal has in unusual circumstances. */
  riskFactor: 0.25,
  /** Verified tokens and passwords that are remembered, and for how long. */
  credentials: 10_000,
  credentialTime: 60_000,
  /** How long a password that was right goes on while the API is away. */
  credentialAway: 900_000,
  nonces: 500_000,
  /** Of a body that is read before anybody sees it, in memory; of all of them; how many at once, and of one address. */
  spoolMemory: 64 * 1024,
  spoolTotal: 1024 * 1024 * 1024,
  spoolBodies: 512,
  spoolBodiesPerCaller: 64,
  sessionSeconds: 8 * 3600,
  drain: 8_000,
} as const;
