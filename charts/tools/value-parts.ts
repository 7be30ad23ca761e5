/** Values of the single programs, and what they share. */
import { z } from 'zod';

export const name = z.string().regex(/^$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
export const raw = z.record(z.string(), z.unknown());
export const rawList = z.array(raw);
export const port = z.int().min(1).max(65_535);

const secretKey = (what: string, key: string) =>
  z
    .strictObject({
      name: name.default('').describe(`Name of the Secret with ${what}.`),
      key: z.string().min(1).default(key).describe('Key in the Secret.'),
    })
    .prefault({})
    .describe(`Where ${what} stands.`);

/** What every workload can be given. */
const placement = (resources: Record<string, unknown>) => ({
  resources: raw.default(resources).describe('Requests and limits of the container.'),
  nodeSelector: z.record(z.string(), z.string()).default({}).describe('Node labels that the pods need.'),
  tolerations: rawList.default([]).describe('Tolerations of the pods.'),
  affinity: raw.default({}).describe('Affinity of the pods.'),
  priorityClassName: name.default('').describe('Priority class of the pods.'),
  podAnnotations: z.record(z.string(), z.string()).default({}).describe('Further annotations of the pods.'),
  extraEgress: rawList
    .default([])
    .describe('Further `egress` rules of its NetworkPolicy, as Kubernetes has them.'),
});

const sized = (cpu: string, memory: string, limit: string): Record<string, unknown> => ({
  requests: { cpu, memory },
  limits: { memory: limit },
});

export const gateway = z
  .strictObject({
    replicas: z
      .int()
      .min(1)
      .max(64)
      .default(1)
      .describe('How many gateways there are. More than one needs `valkey`: they share rate windows by it.'),
    hosts: z
      .array(z.string().min(1))
      .default([])
      .describe('Host names, without a port, by which clients call it. At least one; others are refused.'),
    tls: z
      .strictObject({
        secretName: name
          .default('')
          .describe(
            'Secret of type kubernetes.io/tls in the DMZ namespace. With cert-manager, the Secret that it makes; absent, imageplane-gateway-tls.',
          ),
        certManager: z
          .strictObject({
            enabled: z.boolean().default(false).describe('Whether cert-manager makes the certificate.'),
            issuerRef: z
              .strictObject({
                name: name.default('').describe('Name of the issuer.'),
                kind: z.enum(['Issuer', 'ClusterIssuer']).default('ClusterIssuer').describe('Its kind.'),
                group: z.string().default('cert-manager.io').describe('Its API group.'),
              })
              .prefault({})
              .describe('Who signs it.'),
          })
          .prefault({})
          .describe('A Certificate for `gateway.hosts`.'),
      })
      .prefault({})
      .describe(
        'The certificate. The gateway speaks HTTPS alone, TLS 1.2 or newer, and takes a renewed one by itself.',
      ),
    service: z
      .strictObject({
        type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).default('ClusterIP').describe('Its type.'),
        port: port.default(443).describe('Its port.'),
        annotations: z.record(z.string(), z.string()).default({}).describe('Its annotations.'),
        loadBalancerSourceRanges: z
          .array(z.string())
          .default([])
          .describe('CIDRs that a load balancer lets through. Absent: all.'),
        externalTrafficPolicy: z
          .enum(['', 'Cluster', 'Local'])
          .default('')
          .describe('`Local` keeps the address of the client, which CIDR rules of tenants look at.'),
      })
      .prefault({})
      .describe('The Service that clients reach.'),
    trustedProxies: z
      .array(z.string())
      .default([])
      .describe('CIDRs whose X-Forwarded-For and X-Forwarded-Proto are believed. Nobody, unless said.'),
    from: rawList
      .default([])
      .describe('NetworkPolicy peers that may reach it. Absent: everyone, inside the cluster and outside.'),
    degradedRequestsPerTenant: z
      .int()
      .min(0)
      .default(20)
      .describe('Requests that each tenant may go on for while the database is away.'),
    snapshotMaxAgeSeconds: z
      .int()
      .min(10)
      .default(900)
      .describe('How long a gateway goes on with its last snapshot while the API is away.'),
    outboxSize: z
      .string()
      .default('1Gi')
      .describe('Room for records on their way to the database, as a quantity of Kubernetes.'),
    ...placement(sized('100m', '192Mi', '1Gi')),
  })
  .prefault({})
  .describe('The one entry for clients, in the DMZ namespace.');

export const api = z
  .strictObject({
    unusedDays: z
      .int()
      .min(30)
      .max(730)
      .default(90)
      .describe('Accounts, applications and keys that were not used for so long are disabled.'),
    retentionMonths: z.int().min(7).default(13).describe('Months of audit and usage that are kept.'),
    usageIntervalSeconds: z
      .int()
      .min(5)
      .max(3600)
      .default(60)
      .describe('Usage in `Tenant.status` is written at most once in so long, and only when it changed.'),
    tokenIssuers: rawList.default([]).describe('Issuers whose JWTs are accepted; see docs/identity.md.'),
    identityProviders: rawList
      .default([])
      .describe(
        'With whom people sign in; see docs/sign-in.md. Files that they name are at /etc/imageplane-providers.',
      ),
    providerSecret: name
      .default('')
      .describe('Secret in the release namespace whose keys are files at /etc/imageplane-providers.'),
    recheck: z
      .strictObject({
        minutes: z.number().min(0.05).max(1440).default(15).describe('How often.'),
        graceMinutes: z
          .number()
          .min(0)
          .max(1440)
          .default(60)
          .describe('How much longer people stay signed in while their provider is silent.'),
      })
      .prefault({})
      .describe('Accounts of identity providers are asked about again.'),
    ...placement(sized('100m', '256Mi', '1Gi')),
  })
  .prefault({})
  .describe('Sign-in, administration, usage and the snapshot that gateways live on. One replica.');

const persistence = (size: string) =>
  z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Whether it keeps its data on a PersistentVolumeClaim. Without, it is lost with the pod.'),
      existingClaim: name
        .default('')
        .describe('A claim of yours. Absent, the chart makes one, and keeps it.'),
      storageClass: name.default('').describe('Storage class of the claim. Absent: the default one.'),
      size: z.string().min(1).default(size).describe('Size of the claim.'),
    })
    .prefault({})
    .describe('Its volume.');

export const modelStore = z
  .strictObject({
    persistence: persistence('50Gi'),
    maxGibibytes: z
      .int()
      .min(1)
      .default(45)
      .describe(
        'Blobs that it keeps at most, together. Leave a tenth of the volume for what is being fetched.',
      ),
    files: raw
      .default({})
      .describe(
        'A volume source of Kubernetes (such as persistentVolumeClaim, nfs or image), mounted read-only at /models: `file:` sources of ClusterImageModels are read below it.',
      ),
    npmrcSecret: name
      .default('')
      .describe('Secret with the key `npmrc`: settings of npm for `npm:` sources behind a private registry.'),
    httpsAnywhere: z
      .boolean()
      .default(true)
      .describe(
        'Whether its NetworkPolicy lets it reach port 443 anywhere. Otherwise name where in `extraEgress`.',
      ),
    waitSeconds: z
      .int()
      .min(1)
      .max(300)
      .default(20)
      .describe('How long a request is held while its blob is being fetched.'),
    ...placement(sized('50m', '128Mi', '1Gi')),
  })
  .prefault({})
  .describe('Verified model files for the pods of tenants.');

export const operator = z
  .strictObject({
    replicas: z.int().min(1).max(5).default(2).describe('One works, the others stand by.'),
    leaderElection: z
      .strictObject({
        leaseSeconds: z
          .int()
          .min(5)
          .default(15)
          .describe('After so long without renewal another takes over.'),
        renewSeconds: z
          .int()
          .min(3)
          .default(10)
          .describe('The leader gives up when renewal fails for so long.'),
        retrySeconds: z.int().min(1).default(2).describe('Between tries.'),
      })
      .prefault({})
      .describe('Timing of the Lease.'),
    config: raw
      .default({})
      .describe(
        'Further fields of the operator’s configuration (operator/config.ts); they win over the chart’s.',
      ),
    ...placement(sized('50m', '128Mi', '512Mi')),
  })
  .prefault({})
  .describe('Turns Tenants, ImageServices and models into what runs.');

export const postgres = z
  .strictObject({
    trial: z
      .strictObject({
        enabled: z
          .boolean()
          .default(false)
          .describe(
            'A small Postgres in the release namespace: one pod, no replica, no backup, no TLS. To try the product, never to rely on.',
          ),
        persistence: persistence('5Gi'),
        ...placement(sized('100m', '192Mi', '512Mi')),
      })
      .prefault({})
      .describe('For a trial.'),
    host: z.string().default('').describe('Host name of your Postgres.'),
    port: port.default(5432).describe('Its port.'),
    database: z.string().min(1).default('imageplane').describe('Its database, owned by `owner`.'),
    owner: z
      .string()
      .min(1)
      .default('imageplane_owner')
      .describe(
        'Role of the API, which migrates the schema. The gateway’s role is always imageplane_gateway.',
      ),
    ownerPassword: secretKey('the password of `owner`, in the release namespace', 'password'),
    gatewayPassword: secretKey('the password of imageplane_gateway, in the DMZ namespace', 'password'),
    tls: z
      .strictObject({
        enabled: z
          .boolean()
          .default(true)
          .describe('Whether connections are encrypted and the server checked.'),
        caConfigMap: name
          .default('')
          .describe('ConfigMap with the key `ca.crt`, in both namespaces. Absent: public authorities.'),
      })
      .prefault({})
      .describe('TLS to your Postgres.'),
    to: rawList
      .default([])
      .describe('NetworkPolicy peers where your Postgres is. Absent: anywhere, at its port.'),
  })
  .prefault({})
  .describe('Accounts, keys, usage and audit. Name your own, or enable the one for trials.');

export const valkey = z
  .strictObject({
    url: z
      .string()
      .regex(/^$|^rediss?:\/\//)
      .default('')
      .describe(
        'redis://HOST:PORT or rediss://HOST:PORT, without a password, of a server with maxmemory-policy noeviction.',
      ),
    password: secretKey('its password, in the DMZ namespace', 'password'),
    port: port.default(6379).describe('Its port, for the NetworkPolicy.'),
    to: rawList.default([]).describe('NetworkPolicy peers where it is. Absent: anywhere, at its port.'),
  })
  .prefault({})
  .describe('Valkey or Redis, by which several gateways share rate windows, nonces and leases.');

export const keys = z
  .strictObject({
    assertion: z
      .enum(['keep', 'publish', 'sign', 'retire'])
      .default('keep')
      .describe(
        'Rotation of the key that gateways sign with, one step an upgrade: publish the next one, sign with it, retire the old one.',
      ),
    ...placement(sized('50m', '96Mi', '256Mi')),
  })
  .prefault({})
  .describe('Keys are made once by a Job, kept in Secrets that the chart does not own, and never shown.');
