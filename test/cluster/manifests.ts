/** What is applied to a fresh cluster: names (CoreDNS) and the rights of the policy enforcer. */
import { COREDNS_IMAGE, DNS_ADDRESS } from './layout.ts';

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

const COREFILE = `.:53 {
  errors
  health
  ready
  kubernetes cluster.local in-addr.arpa {
    pods insecure
    ttl 5
  }
  cache 5
}
`;
const labels = { 'k8s-app': 'kube-dns' };
const rbac = 'rbac.authorization.k8s.io/v1';
const read = ['get', 'list', 'watch'];

function clusterRole(name: string, rules: unknown[], subject: Record<string, string>): Manifest[] {
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name };
  return [
    { apiVersion: rbac, kind: 'ClusterRole', metadata: { name }, rules },
    { apiVersion: rbac, kind: 'ClusterRoleBinding', metadata: { name }, roleRef, subjects: [subject] },
  ];
}

function deployment(): Manifest {
  const probe = (path: string, port: number): unknown => ({ httpGet: { path, port }, periodSeconds: 1 });
  const container = {
    name: 'coredns',
    image: COREDNS_IMAGE,
    imagePullPolicy: 'Never',
    args: ['-conf', '/etc/coredns/Corefile'],
    ports: [
      { name: 'dns', containerPort: 53, protocol: 'UDP' },
      { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' },
    ],
    readinessProbe: probe('/ready', 8181),
    livenessProbe: { httpGet: { path: '/health', port: 8080 }, failureThreshold: 10 },
    volumeMounts: [{ name: 'configuration', mountPath: '/etc/coredns', readOnly: true }],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
    },
  };
  const spec = {
    serviceAccountName: 'coredns',
    priorityClassName: 'system-cluster-critical',
    dnsPolicy: 'Default',
    containers: [container],
    volumes: [{ name: 'configuration', configMap: { name: 'coredns' } }],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'coredns', namespace: 'kube-system', labels },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}

export function clusterManifests(): Manifest[] {
  const namespace = 'kube-system';
  return [
    ...clusterRole(
      'imageplane:network-policy',
      [
        { apiGroups: [''], resources: ['pods', 'namespaces', 'nodes'], verbs: read },
        { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: read },
      ],
      { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'imageplane:network-policy' },
    ),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'coredns', namespace } },
    ...clusterRole(
      'system:coredns',
      [
        { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
      { kind: 'ServiceAccount', name: 'coredns', namespace },
    ),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'coredns', namespace },
      data: { Corefile: COREFILE },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace, labels },
      spec: {
        selector: labels,
        clusterIP: DNS_ADDRESS,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
          { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        ],
      },
    },
    deployment(),
  ];
}

/** Extended resources a node is given: GPUs by count, MIG slices by profile. */
export function gpuCapacity(gpus: number, mig: Readonly<Record<string, number>>): Record<string, string> {
  const capacity: Record<string, string> = {};
  if (gpus > 0) capacity['nvidia.com/gpu'] = String(gpus);
  for (const [profile, count] of Object.entries(mig)) capacity[`nvidia.com/mig-${profile}`] = String(count);
  return capacity;
}
