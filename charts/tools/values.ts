/**
 * Every value of the chart: its shape, its default and what it is for. values.yaml, values.schema.json and
 * docs/reference/values.md are made from this.
 */
import { z } from 'zod';
import {
  api,
  gateway,
  keys,
  modelStore,
  name,
  operator,
  port,
  postgres,
  raw,
  rawList,
  valkey,
} from './value-parts.ts';

export const values = z.strictObject({
  images: z
    .strictObject({
      registry: z
        .string()
        .default('')
        .describe(
          'Where the images are: REGISTRY/gateway:TAG and so on. Required; docs/guides/kubernetes.md says how they are built.',
        ),
      tag: z.string().default('').describe('Their tag. Absent: the version of the chart.'),
      pullPolicy: z
        .enum(['Always', 'IfNotPresent', 'Never'])
        .default('IfNotPresent')
        .describe('When nodes pull.'),
      pullSecrets: z
        .array(name)
        .default([])
        .describe('Names of pull Secrets; they must be in the release namespace and in the DMZ’s.'),
    })
    .prefault({})
    .describe('Images of the product, one for each program.'),
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('What programs log.'),
  crds: z
    .strictObject({
      install: z
        .boolean()
        .default(true)
        .describe(
          'Whether the chart installs and upgrades the definitions. `helm uninstall` keeps them and every object.',
        ),
    })
    .prefault({})
    .describe('The four kinds.'),
  guards: z
    .strictObject({
      install: z
        .boolean()
        .default(true)
        .describe(
          'Whether the chart installs the admission policies that keep tenants from undoing their isolation.',
        ),
    })
    .prefault({})
    .describe('ValidatingAdmissionPolicies.'),
  rbac: z
    .strictObject({
      aggregate: z
        .boolean()
        .default(true)
        .describe(
          'Whether people with the cluster’s own roles view, edit and admin may read or write our kinds.',
        ),
    })
    .prefault({})
    .describe('Roles for people.'),
  dmz: z
    .strictObject({
      namespace: z
        .string()
        .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
        .default('imageplane-dmz')
        .describe('Namespace of the gateway. Nothing else may be in it.'),
      create: z
        .boolean()
        .default(true)
        .describe(
          'Whether the chart makes it, and keeps it. Otherwise label yours `imageplane.dev/zone: dmz`.',
        ),
    })
    .prefault({})
    .describe('The zone that clients reach.'),
  networkPolicies: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Whether nothing flows in both namespaces but what is named.'),
      dns: rawList
        .default([
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
            podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
          },
        ])
        .describe('NetworkPolicy peers that answer DNS at port 53.'),
      kubernetesApi: z
        .strictObject({
          to: rawList.default([]).describe('NetworkPolicy peers. Absent: anywhere, at the ports.'),
          ports: z
            .array(port)
            .default([443, 6443])
            .describe('Its ports, before and after Service translation.'),
        })
        .prefault({})
        .describe('Where the API server is.'),
      metricsFrom: rawList.default([]).describe('NetworkPolicy peers that may read metrics. Absent: nobody.'),
    })
    .prefault({})
    .describe('NetworkPolicies of the two namespaces. The operator makes those of tenants.'),
  gateway,
  api,
  modelStore,
  operator,
  postgres,
  valkey,
  authorities: z
    .strictObject({
      configMap: name
        .default('')
        .describe(
          'ConfigMap with the key `ca.crt`, in the release namespace. Absent: public authorities alone.',
        ),
    })
    .prefault({})
    .describe(
      'Further certificate authorities that API (identity providers) and model store (sources) trust.',
    ),
  keys,
  monitoring: z
    .strictObject({
      serviceMonitor: z
        .strictObject({
          enabled: z
            .boolean()
            .default(false)
            .describe('Whether there are any. Needs the Prometheus operator.'),
          labels: z
            .record(z.string(), z.string())
            .default({})
            .describe('Labels by which Prometheus finds them.'),
          interval: z.string().default('30s').describe('How often it reads.'),
        })
        .prefault({})
        .describe('ServiceMonitors of gateway, API, model store and operator.'),
    })
    .prefault({})
    .describe('Metrics. Say who may read them in `networkPolicies.metricsFrom`.'),
  global: raw.default({}).describe('Not used; Helm adds it where this chart is a part of another.'),
});
