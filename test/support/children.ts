import type { KubernetesObject } from '../../operator/runtime/types.ts';

/** One object of each kind that the operator writes, as somebody would write it by hand: without defaults. */
export function children(namespace: string, name: string): KubernetesObject[] {
  const labels = { 'app.kubernetes.io/name': 'inference-server', 'app.kubernetes.io/instance': name };
  const object = (apiVersion: string, kind: string, rest: object): KubernetesObject => ({
    apiVersion,
    kind,
    metadata: { name, namespace, labels },
    ...rest,
  });
  const rbac = 'rbac.authorization.k8s.io';
  return [
    object('v1', 'ConfigMap', { data: { 'config.json': '{"port":7860}' } }),
    object('v1', 'Secret', { type: 'Opaque', stringData: { token: 'secret' } }),
    object('v1', 'ServiceAccount', {
      automountServiceAccountToken: false,
      imagePullSecrets: [{ name: 'registry' }],
    }),
    object('v1', 'Service', {
      spec: { selector: labels, ports: [{ name: 'http', port: 7860, targetPort: 'http' }] },
    }),
    object('v1', 'ResourceQuota', {
      spec: {
        hard: {
          'requests.cpu': '2000m',
          'limits.memory': '2048Mi',
          pods: 10,
          'requests.nvidia.com/gpu': '1',
        },
      },
    }),
    object('v1', 'LimitRange', {
      spec: {
        limits: [
          {
            type: 'Container',
            max: { memory: '4096Mi' },
            default: { cpu: '1000m', memory: '0.5Gi' },
            defaultRequest: { cpu: '0.1', memory: '512Mi' },
          },
        ],
      },
    }),
    object(`${rbac}/v1`, 'Role', {
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }],
    }),
    object(`${rbac}/v1`, 'RoleBinding', {
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'view' },
      subjects: [
        { kind: 'Group', name: 'developers' },
        { kind: 'ServiceAccount', name: 'default', namespace },
      ],
    }),
    object('networking.k8s.io/v1', 'NetworkPolicy', {
      spec: {
        podSelector: { matchLabels: labels },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            from: [
              {
                namespaceSelector: { matchLabels: { 'imageplane.dev/zone': 'dmz' } },
                podSelector: {
                  matchExpressions: [
                    { key: 'app.kubernetes.io/name', operator: 'In', values: ['gateway', 'dispatcher'] },
                  ],
                },
              },
            ],
            ports: [{ port: 7860 }],
          },
        ],
        egress: [],
      },
    }),
    object('policy/v1', 'PodDisruptionBudget', {
      spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
    }),
    object('apps/v1', 'Deployment', {
      spec: {
        replicas: 2,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(name) },
      },
    }),
  ];
}

function podSpec(serviceAccountName: string): object {
  const restricted = {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  };
  const resources = {
    requests: { cpu: '500m', memory: '1024Mi' },
    limits: { memory: '2048Mi', 'nvidia.com/gpu': 1 },
  };
  return {
    serviceAccountName,
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: { 'app.kubernetes.io/name': 'inference-server' } },
      },
    ],
    initContainers: [
      {
        name: 'fetch-model',
        image: 'inference-server:1',
        command: ['node', 'fetch-model.ts'],
        securityContext: restricted,
        volumeMounts: [{ name: 'models', mountPath: '/models' }],
      },
    ],
    containers: [
      {
        name: 'server',
        image: 'inference-server:1',
        args: ['--config', '/etc/imageplane/config.json'],
        env: [
          { name: 'MODE', value: 'onnx' },
          { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'KEY', valueFrom: { secretKeyRef: { name: 'keys', key: 'key' } } },
        ],
        ports: [
          { name: 'http', containerPort: 7860 },
          { name: 'metrics', containerPort: 9090 },
        ],
        readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' }, periodSeconds: 5 },
        resources,
        securityContext: restricted,
        volumeMounts: [
          { name: 'models', mountPath: '/models', readOnly: true },
          { name: 'config', mountPath: '/etc/imageplane' },
          { name: 'usage', mountPath: '/var/run/secrets/imageplane' },
        ],
      },
    ],
    volumes: [
      { name: 'models', emptyDir: { sizeLimit: '2048Mi' } },
      { name: 'config', configMap: { name: 'config' } },
      {
        name: 'usage',
        projected: {
          sources: [
            {
              serviceAccountToken: {
                path: 'usage-token',
                audience: 'imageplane-usage',
                expirationSeconds: 3600,
              },
            },
          ],
        },
      },
    ],
  };
}
