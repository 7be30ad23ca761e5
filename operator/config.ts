import { z } from 'zod';

const name = z.string().regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'must be a name of a Kubernetes object');
const labelMap = z.record(z.string().min(1), z.string());
const quantity = z
  .string()
  .regex(/^[0-9]+(\.[0-9]+)?([KMGTPE]i|[mkMGTPE])?$/, 'must be a quantity such as 500m or 2Gi');
const selector = z.strictObject({
  matchLabels: labelMap.optional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string().min(1),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});
/** As in a NetworkPolicy. One without any selector would be everybody, and is refused. */
const peer = z
  .strictObject({
    namespaceSelector: selector.optional(),
    podSelector: selector.optional(),
    ipBlock: z.strictObject({ cidr: z.string(), except: z.array(z.string()).optional() }).optional(),
  })
  .refine((value) => Object.values(value).some((part) => part !== undefined), 'names nobody');

/** Pods of the system namespace that services may call, and the port those listen on (not their Service's). */
const target = (podLabels: Record<string, string>, port: number) =>
  z
    .strictObject({ podLabels: labelMap.default(podLabels), port: z.int().min(1).max(65535).default(port) })
    .prefault({});

const resources = z.strictObject({ cpu: quantity, memory: quantity });

/** The operator's configuration. */
export const operatorConfig = z.strictObject({
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** Where operator, API, model store and usage intake run, and where shared Secrets are. */
  systemNamespace: name.default('imageplane-system'),
  dmzNamespace: name.default('imageplane-dmz'),
  images: z.strictObject({
    /** With a digest, so that every node runs the same. */
    inferenceServer: z.string().min(1),
  }),
  imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
  /** Base URL for pods; blobs are at /blobs/sha256/DIGEST. */
  modelStoreUrl: z.url(),
  /** The usage intake for pods, with its path. */
  usageUrl: z.url(),
  /** Where clients find the gateway, such as https://images.example.org; absent, status.url is a path. */
  publicUrl: z.url().optional(),
  assertionJwks: z
    .strictObject({
      configMap: name.default('imageplane-assertion-jwks'),
      key: z.string().default('jwks.json'),
    })
    .prefault({}),
  /** Who may read the metrics of services; nobody unless it stands here. */
  metricsFrom: z.array(peer).default([]),
  /** Where services resolve names. */
  dns: z
    .array(peer)
    .min(1)
    .default([
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
        podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      },
    ]),
  modelStore: target({ 'app.kubernetes.io/name': 'model-store' }, 8080),
  usageIntake: target({ 'app.kubernetes.io/name': 'api' }, 8082),
  /** Secrets of the system namespace that every tenant's namespace gets a copy of. */
  sharedSecrets: z
    .array(z.strictObject({ name, use: z.enum(['registry', 'model-source']) }))
    .max(32)
    .refine((list) => new Set(list.map((secret) => secret.name)).size === list.length, 'one is named twice')
    .default([]),
  /** Before each group of a Tenant, as the API server's own OIDC settings have it, such as `oidc:`. */
  groupPrefix: z.string().default(''),
  /** Of a pod whose service and model say nothing. */
  defaultResources: resources.default({ cpu: '1', memory: '2Gi' }),
  /** Objects that a tenant's namespace may hold at most. */
  ceilings: z
    .strictObject({ pods: z.int().min(1).default(1000), services: z.int().min(1).default(1000) })
    .prefault({}),
  workers: z.int().min(1).max(64).default(4),
  leaderElection: z
    .strictObject({
      name: name.default('imageplane-operator'),
      leaseSeconds: z.int().min(3).default(15),
      renewSeconds: z.int().min(2).default(10),
      retrySeconds: z.int().min(1).default(2),
    })
    .refine(
      ({ leaseSeconds, renewSeconds, retrySeconds }) =>
        leaseSeconds > renewSeconds && renewSeconds > 1.2 * retrySeconds,
      'leaseSeconds must be more than renewSeconds, and renewSeconds more than 1.2 times retrySeconds',
    )
    .prefault({}),
  /** Metrics and probes. */
  metrics: z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65535) }),
});
export type OperatorConfig = z.infer<typeof operatorConfig>;
