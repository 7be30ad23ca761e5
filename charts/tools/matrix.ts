import type { z } from 'zod';
import type { values } from './values.ts';

type Values = z.input<typeof values>;

/** The least that a person must say, for a trial. */
const trial: Values = {
  images: { registry: 'registry.example/imageplane' },
  gateway: { hosts: ['images.example'], tls: { secretName: 'images-example' } },
  postgres: { trial: { enabled: true } },
};

const external: Values = {
  ...trial,
  postgres: {
    host: 'db.example',
    ownerPassword: { name: 'db-owner' },
    gatewayPassword: { name: 'db-gateway', key: 'secret' },
    tls: { caConfigMap: 'db-ca' },
    to: [{ ipBlock: { cidr: '10.1.0.0/16' } }],
  },
};

/** Values of which every rendered object must be accepted. */
export const accepted: Readonly<Record<string, Values>> = {
  'the least, for a trial': trial,
  'the least, with a Postgres of one’s own': external,
  'no volumes': {
    ...trial,
    postgres: { trial: { enabled: true, persistence: { enabled: false } } },
    modelStore: { persistence: { enabled: false, size: '2Gi' }, maxGibibytes: 1 },
  },
  'claims of one’s own': {
    ...trial,
    postgres: { trial: { enabled: true, persistence: { existingClaim: 'db' } } },
    modelStore: { persistence: { existingClaim: 'models' } },
  },
  'three gateways and Valkey': {
    ...external,
    gateway: { ...external.gateway, replicas: 3 },
    valkey: {
      url: 'rediss://valkey.example:6379',
      password: { name: 'valkey' },
      to: [{ ipBlock: { cidr: '10.2.0.0/16' } }],
    },
  },
  'cert-manager and a load balancer': {
    ...trial,
    gateway: {
      hosts: ['images.example', 'images.internal.example'],
      tls: { certManager: { enabled: true, issuerRef: { name: 'letsencrypt' } } },
      service: {
        type: 'LoadBalancer',
        port: 8443,
        annotations: { 'example.com/size': 'small' },
        loadBalancerSourceRanges: ['192.0.2.0/24'],
        externalTrafficPolicy: 'Local',
      },
      trustedProxies: ['10.0.0.0/8'],
      from: [{ ipBlock: { cidr: '192.0.2.0/24' } }],
    },
  },
  'nothing of the cluster’s own': {
    ...trial,
    crds: { install: false },
    guards: { install: false },
    rbac: { aggregate: false },
    dmz: { create: false, namespace: 'edge' },
    networkPolicies: { enabled: false },
    operator: { replicas: 1 },
  },
  'metrics, placement, providers and files': {
    ...trial,
    logLevel: 'debug',
    images: { ...trial.images, tag: '1.2.3', pullPolicy: 'Always', pullSecrets: ['pull', 'pull-too'] },
    networkPolicies: {
      metricsFrom: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
      kubernetesApi: { to: [{ ipBlock: { cidr: '10.96.0.1/32' } }], ports: [443] },
    },
    monitoring: { serviceMonitor: { enabled: true, labels: { release: 'prometheus' } } },
    gateway: {
      ...trial.gateway,
      nodeSelector: { zone: 'edge' },
      tolerations: [{ key: 'edge', operator: 'Exists', effect: 'NoSchedule' }],
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [{ key: 'edge', operator: 'Exists' }] } },
          ],
        },
      },
      priorityClassName: 'system-cluster-critical',
      podAnnotations: { 'example.com/owner': 'team' },
      extraEgress: [{ ports: [{ port: 443, protocol: 'TCP' }] }],
    },
    api: {
      providerSecret: 'providers',
      identityProviders: [
        {
          name: 'corporate',
          type: 'oidc',
          label: { en: 'Corporate', zh: '公司' },
          tenants: ['demo'],
          issuer: 'https://idp.example',
          clientId: 'imageplane',
          clientSecretFile: '/etc/imageplane-providers/client',
        },
      ],
    },
    modelStore: {
      files: { persistentVolumeClaim: { claimName: 'models', readOnly: true } },
      npmrcSecret: 'npm',
      httpsAnywhere: false,
    },
    operator: { config: { groupPrefix: 'oidc:' }, leaderElection: { leaseSeconds: 30 } },
    keys: { assertion: 'publish' },
    authorities: { configMap: 'authorities' },
  },
};

/** Values that must be refused, and what the refusal must say. */
export const refused: Readonly<Record<string, { values: Record<string, unknown>; says: RegExp }>> = {
  'no registry': { values: { ...trial, images: {} }, says: /images\.registry is missing: write where/ },
  'no host': {
    values: { ...trial, gateway: { tls: { secretName: 'x' } } },
    says: /gateway\.hosts is missing/,
  },
  'no certificate': {
    values: { ...trial, gateway: { hosts: ['images.example'] } },
    says: /speaks HTTPS alone and has no certificate/,
  },
  'an issuer without a name': {
    values: { ...trial, gateway: { hosts: ['a.example'], tls: { certManager: { enabled: true } } } },
    says: /issuerRef\.name is missing/,
  },
  'two gateways without Valkey': {
    values: { ...trial, gateway: { ...trial.gateway, replicas: 2 } },
    says: /gateway\.replicas is 2 and valkey\.url is missing/,
  },
  'no database': { values: { ...trial, postgres: {} }, says: /There is no database/ },
  'two databases': {
    values: { ...trial, postgres: { host: 'db.example', trial: { enabled: true } } },
    says: /exclude each other/,
  },
  'a database without its Secrets': {
    values: { ...trial, postgres: { host: 'db.example' } },
    says: /postgres\.ownerPassword\.name is missing/,
  },
  'a value that there is not': {
    values: { ...trial, gateway: { ...trial.gateway, replica: 2 } },
    says: /replica/,
  },
  'a value of another type': {
    values: { ...trial, operator: { replicas: 'two' } },
    says: /replicas/,
  },
};
