import { CompactSign, compactVerify, type CryptoKey } from 'jose';
import { z } from 'zod';
import { customRole, conditions, grant } from './access.ts';
import { principalEntry, role } from './principal.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const cidr = z.string().min(1);

/** 0 is none. */
const bound = z.int().nonnegative().default(0);

/** What unusual circumstances lead to. */
export const riskPolicy = z.strictObject({
  action: z.enum(['Off', 'Limits', 'SecondFactor']).default('Limits'),
  /** In which it is night. */
  timeZone: z.string().default('UTC'),
});

export const tenantPolicy = z.strictObject({
  plan: z.enum(['free', 'enterprise']),
  limits: z.strictObject({
    requestsPerMinute: z.int().positive(),
    requestsPerDay: z.int().nonnegative(),
    requestsPerMonth: z.int().nonnegative(),
    /** Requests in flight; 0 is no bound. */
    concurrency: bound,
    megapixelsPerRequest: z.int().positive().default(50),
    megapixelsPerDay: bound,
    megapixelsPerMonth: bound,
    stepsPerDay: bound,
    stepsPerMonth: bound,
    computeSecondsPerDay: bound,
    computeSecondsPerMonth: bound,
    /** For each principal of the tenant. */
    perUser: z
      .strictObject({
        requestsPerMinute: bound,
        concurrency: bound,
        /** What fills a GPU: the sizes and steps of the requests in flight. */
        megapixelsInFlight: bound,
        stepsInFlight: bound,
      })
      .prefault({}),
  }),
  access: z.strictObject({
    /** Empty: from anywhere. */
    allowedCidrs: z.array(cidr),
    /** The per-minute window does not apply to requests from these. */
    unlimitedCidrs: z.array(cidr),
    /** Addresses that count as the tenant's own network. */
    intranetCidrs: z.array(cidr).default([]),
    /** One that holds is enough; empty: always. */
    timeWindows: conditions.shape.timeWindows.unwrap().default([]),
    secondFactor: z.enum(['Never', 'Administrators', 'Always']).default('Administrators'),
    /** Whether local accounts may use HTTP Basic. */
    basic: z.boolean().default(false),
    /** API keys that are older open nothing. */
    maxKeyAgeDays: z.int().positive().optional(),
    risk: riskPolicy.prefault({}),
  }),
});
export type TenantPolicy = z.infer<typeof tenantPolicy>;

export const serviceRoute = z.strictObject({
  tenant: z.string().min(1),
  name: z.string().min(1),
  engine: z.enum(['onnx', 'container']),
  /** Base URLs of the pods or processes that answer for it. */
  endpoints: z.array(z.url()),
  /** Why it must not be called, in a sentence; absent when it may be. */
  unavailable: z.string().optional(),
  /** Conditions of the service, besides those of its tenant. */
  access: z.strictObject({
    minimumRole: role.optional(),
    /** Each set of address blocks must hold the client's address; an empty set holds nobody's. */
    addressSets: z.array(z.array(cidr)),
    conditions: conditions.optional(),
  }),
  /** Name of the model that answers, where there is one: what is granted on it counts here. */
  model: z.string().min(1).optional(),
  maxBodyBytes: z.int().positive(),
  timeoutSeconds: z.int().positive(),
  /** Of all its tenant's principals together. */
  limits: z.strictObject({ requestsPerMinute: bound, concurrency: bound }).optional(),
  /** The most steps that one request may take, for models that have any. */
  stepsPerRequest: z.int().nonnegative().optional(),
});
export type ServiceRoute = z.infer<typeof serviceRoute>;

export const quotaBound = z.strictObject({
  tenant: z.string().min(1),
  scope: z.enum(['project', 'user']),
  subject: z.string(),
  period: z.enum(['day', 'month']),
  unit: z.enum(['requests', 'pixels', 'steps', 'computeMs']),
  bound: z.int().positive(),
});
export type QuotaBound = z.infer<typeof quotaBound>;

/** Everything a gateway needs to decide without asking anyone. Keys are `{tenant}`, `{tenant}/{service}`, ids. */
export const snapshot = z.strictObject({
  version: z.string().min(1),
  issuedAt: z.iso.datetime(),
  tenants: z.record(z.string(), tenantPolicy),
  services: z.record(z.string(), serviceRoute),
  principals: z.record(z.string(), principalEntry),
  /** Custom roles by `{tenant}/{name}`. */
  roles: z.record(z.string(), customRole).default({}),
  grants: z.array(grant).default([]),
  /** Bounds that tenants' administrators set. Subject '' is everybody who has none of their own. */
  quotas: z.array(quotaBound).default([]),
  /** By the SHA-256 of the whole key. */
  keys: z.record(
    sha256,
    z.strictObject({
      id: z.string(),
      principal: z.string(),
      createdAt: z.iso.datetime().optional(),
      expiresAt: z.iso.datetime().optional(),
      /** What this key may be used for, within what its principal may; absent: all of it. */
      scopes: z
        .strictObject({
          services: z.array(z.string()).optional(),
          actions: z.array(z.string()).optional(),
          cidrs: z.array(cidr).optional(),
        })
        .optional(),
      /** The secret of signed requests, wrapped (AES-256-GCM) with the key that API and gateway share. */
      signingSecret: z.string().optional(),
    }),
  ),
  sessions: z
    .strictObject({
      /** Public keys of the API that signs session cookies and tokens. */
      keys: z.array(z.record(z.string(), z.unknown())).default([]),
      /** Ids of sessions that were ended before their time. */
      revoked: z.array(z.string()).default([]),
    })
    .default({ keys: [], revoked: [] }),
  /** Principals of people at other issuers, by the hash of issuer, subject and tenant: also those that are disabled. */
  links: z.record(sha256, z.string()).default({}),
  /** Issuers whose JWTs are accepted. */
  issuers: z
    .array(
      z.strictObject({
        issuer: z.url(),
        jwksUri: z.url(),
        audience: z.string().min(1),
        algorithms: z.array(z.enum(['RS256', 'PS256', 'ES256', 'EdDSA'])).min(1),
        tenant: z.string().min(1),
        /** Which claim names the principal's id, name, department and groups. */
        claims: z.strictObject({
          id: z.string(),
          name: z.string(),
          department: z.string(),
          groups: z.string(),
        }),
        roles: z.record(z.string(), role),
      }),
    )
    .default([]),
});
export type Snapshot = z.infer<typeof snapshot>;
/** Before its defaults are filled in. */
export type SnapshotInput = z.input<typeof snapshot>;

const TYP = 'imageplane-snapshot+jws';

export async function signSnapshot(value: SnapshotInput, privateKey: CryptoKey): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(value)))
    .setProtectedHeader({ alg: 'EdDSA', typ: TYP })
    .sign(privateKey);
}

/** @throws when the signature or the shape is wrong: such a snapshot is never used. */
export async function verifySnapshot(token: string, publicKey: CryptoKey): Promise<Snapshot> {
  const { payload, protectedHeader } = await compactVerify(token, publicKey, { algorithms: ['EdDSA'] });
  if (protectedHeader.typ !== TYP)
    throw new Error(`a snapshot was expected, not ${String(protectedHeader.typ)}`);
  return snapshot.parse(JSON.parse(Buffer.from(payload).toString('utf8')));
}
