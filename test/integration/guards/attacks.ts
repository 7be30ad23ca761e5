import type { JsonObject } from '../../../crds/crd.ts';
import type { Answer, ApiRequest } from '../../apiserver/apiserver.ts';
import { messageOfAnswer } from '../../apiserver/install-crds.ts';
import { pathIn } from '../../support/guards.ts';

/** What the attacks are aimed at. */
export interface Scene {
  namespace: string;
  service: string;
  /** Name of every child of the service. */
  child: string;
  /** A pod of the service. */
  pod: string;
  secret: string;
  /** Another tenant's. */
  other: { namespace: string; service: string; model: string };
}

export interface Attack {
  name: string;
  /** `n` makes names that no other try has. */
  attempt: (request: ApiRequest, scene: Scene, n: string) => Promise<Answer>;
  /** Why admission cannot refuse it to somebody whom RBAC lets do it. */
  beyondAdmission?: string;
  /** It is no matter of permission: nobody can. */
  forEverybody?: true;
}

const MERGE = { 'content-type': 'application/merge-patch+json' };
const QUERY = '?fieldValidation=Strict';

const restrictedContainer = {
  image: 'registry.example/tool:1',
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
};

export const restrictedPod = (extra: JsonObject = {}): JsonObject => ({
  securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    { ...restrictedContainer, name: 'main', resources: { requests: { cpu: '1m', memory: '1Mi' } } },
  ],
  ...extra,
});

const post =
  (kind: Parameters<typeof pathIn>[0], body: (scene: Scene) => JsonObject): Attack['attempt'] =>
  (request, scene, n) => {
    const { metadata, ...rest } = body(scene);
    const own = { name: `attack-${n}`, ...(metadata as JsonObject | undefined) };
    return request('POST', `${pathIn(kind, scene.namespace)}${QUERY}`, { metadata: own, ...rest });
  };
const patch =
  (
    kind: Parameters<typeof pathIn>[0],
    name: (scene: Scene) => string,
    body: (scene: Scene) => JsonObject,
  ): Attack['attempt'] =>
  (request, scene) =>
    request('PATCH', pathIn(kind, scene.namespace, name(scene)), body(scene), MERGE);
const connect =
  (method: 'GET' | 'POST', path: (scene: Scene) => string): Attack['attempt'] =>
  (request, scene) =>
    request(method, `/api/v1/namespaces/${scene.namespace}/${path(scene)}`);

const reach = (child: string): JsonObject => ({
  rules: [
    {
      http: {
        paths: [
          { path: '/', pathType: 'Prefix', backend: { service: { name: child, port: { number: 7860 } } } },
        ],
      },
    },
  ],
});
const open7860 = { podSelector: {}, ingress: [{ ports: [{ port: 7860 }] }] };
const gateway = { 'app.kubernetes.io/name': 'gateway' };

export const attacks: readonly Attack[] = [
  { name: 'create a pod', attempt: post('pods', () => ({ spec: restrictedPod() })) },
  {
    name: 'create a pod that poses as the gateway',
    attempt: post('pods', () => ({ metadata: { labels: gateway }, spec: restrictedPod() })),
  },
  {
    name: 'create a Deployment whose pods use the host network',
    attempt: post('deployments', () => ({
      spec: {
        selector: { matchLabels: { app: 'x' } },
        template: { metadata: { labels: { app: 'x' } }, spec: restrictedPod({ hostNetwork: true }) },
      },
    })),
  },
  { name: 'exec in a pod', attempt: connect('POST', ({ pod }) => `pods/${pod}/exec?command=sh&stdout=true`) },
  { name: 'attach to a pod', attempt: connect('POST', ({ pod }) => `pods/${pod}/attach?stdout=true`) },
  {
    name: 'add a debug container to a pod',
    attempt: (request, { namespace, pod }) =>
      request(
        'PATCH',
        `/api/v1/namespaces/${namespace}/pods/${pod}/ephemeralcontainers`,
        { spec: { ephemeralContainers: [{ ...restrictedContainer, name: 'debug' }] } },
        { 'content-type': 'application/strategic-merge-patch+json' },
      ),
  },
  {
    name: 'port-forward to a pod',
    attempt: connect('POST', ({ pod }) => `pods/${pod}/portforward?ports=7860`),
  },
  { name: 'call a pod by pods/proxy', attempt: connect('GET', ({ pod }) => `pods/${pod}:7860/proxy/`) },
  {
    name: 'call a service by services/proxy',
    attempt: connect('GET', ({ child }) => `services/${child}:7860/proxy/`),
  },
  {
    name: 'add a NetworkPolicy that opens 7860',
    attempt: post('networkPolicies', () => ({ spec: open7860 })),
  },
  {
    name: "change the service's NetworkPolicy",
    attempt: patch(
      'networkPolicies',
      ({ child }) => child,
      () => ({ spec: open7860 }),
    ),
  },
  {
    name: 'delete the default-deny',
    attempt: (request, { namespace }) =>
      request('DELETE', pathIn('networkPolicies', namespace, 'imageplane-default-deny')),
  },
  {
    name: 'label a pod as gateway',
    attempt: patch(
      'pods',
      ({ pod }) => pod,
      () => ({ metadata: { labels: gateway } }),
    ),
  },
  {
    name: 'label the namespace as the DMZ',
    attempt: (request, { namespace }) =>
      request(
        'PATCH',
        pathIn('namespaces', undefined, namespace),
        { metadata: { labels: { 'imageplane.dev/zone': 'dmz' } } },
        MERGE,
      ),
  },
  {
    name: 'relax Pod Security of the namespace',
    attempt: (request, { namespace }) =>
      request(
        'PATCH',
        pathIn('namespaces', undefined, namespace),
        { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } },
        MERGE,
      ),
  },
  {
    name: 'create a pod with hostNetwork',
    attempt: post('pods', () => ({ spec: restrictedPod({ hostNetwork: true }) })),
    forEverybody: true,
  },
  {
    name: 'create a Service of type NodePort',
    attempt: post('services', ({ service }) => ({
      spec: {
        type: 'NodePort',
        selector: { 'imageplane.dev/service': service },
        ports: [{ port: 7860 }],
      },
    })),
    forEverybody: true,
  },
  {
    name: 'create a second Service for the pods',
    attempt: post('services', ({ service }) => ({
      spec: { selector: { 'imageplane.dev/service': service }, ports: [{ port: 80, targetPort: 7860 }] },
    })),
  },
  { name: 'create an Ingress to the service', attempt: ingress() },
  {
    name: 'create an HTTPRoute to the service',
    attempt: (request, { namespace, child }, n) =>
      request('POST', `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes`, {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'HTTPRoute',
        metadata: { name: `attack-${n}` },
        spec: { rules: [{ backendRefs: [{ name: child, port: 7860 }] }] },
      }),
  },
  {
    name: 'create a Service of type ExternalName',
    attempt: post('services', () => ({ spec: { type: 'ExternalName', externalName: 'example.org' } })),
  },
  {
    name: 'lead the gateway astray by an EndpointSlice',
    attempt: (request, { namespace, child }, n) =>
      request('POST', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
        metadata: { name: `attack-${n}`, labels: { 'kubernetes.io/service-name': child } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['192.0.2.1'] }],
        ports: [{ port: 7860 }],
      }),
  },
  {
    name: "use the service's ServiceAccount in a pod",
    attempt: post('pods', ({ child }) => ({ spec: restrictedPod({ serviceAccountName: child }) })),
  },
  {
    name: "ask for a token of the service's ServiceAccount",
    attempt: (request, { namespace, child }) =>
      request('POST', `${pathIn('serviceAccounts', namespace, child)}/token`, {
        spec: { audiences: ['imageplane-usage'] },
      }),
  },
  {
    name: "have a Secret filled with a token of the service's ServiceAccount",
    attempt: post('secrets', ({ child }) => ({
      metadata: { annotations: { 'kubernetes.io/service-account.name': child } },
      type: 'kubernetes.io/service-account-token',
    })),
  },
  {
    name: 'read a Secret',
    attempt: (request, { namespace, secret }) => request('GET', pathIn('secrets', namespace, secret)),
    beyondAdmission: 'admission does not see reads',
  },
  {
    name: 'raise the quota',
    attempt: patch(
      'resourceQuotas',
      () => 'imageplane-quota',
      () => ({
        spec: { hard: { 'requests.nvidia.com/gpu': '64' } },
      }),
    ),
  },
  {
    name: 'raise the quota in the Tenant',
    attempt: (request, { namespace }) =>
      request(
        'PATCH',
        pathIn('tenants', undefined, namespace.replace(/^tenant-/, '')),
        { spec: { quota: { services: 10_000 } } },
        MERGE,
      ),
  },
  {
    name: "edit another tenant's ImageService",
    attempt: (request, { other }) =>
      request(
        'PATCH',
        pathIn('imageServices', other.namespace, other.service),
        { spec: { replicas: 0 } },
        MERGE,
      ),
  },
  {
    name: 'create a RoleBinding to a bigger role',
    attempt: post('roleBindings', () => ({
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'somebody' }],
    })),
  },
  {
    name: 'run an ImageService with a privileged container',
    attempt: post('imageServices', () => ({
      apiVersion: 'imageplane.dev/v1alpha1',
      kind: 'ImageService',
      spec: {
        engine: 'container',
        container: { image: 'registry.example/tool:1', securityContext: { privileged: true } },
      },
    })),
    forEverybody: true,
  },
  {
    name: "use another tenant's model",
    attempt: post('imageServices', ({ other }) => ({
      apiVersion: 'imageplane.dev/v1alpha1',
      kind: 'ImageService',
      spec: {
        engine: 'onnx',
        modelRef: { kind: 'ImageModel', name: other.model, namespace: other.namespace },
      },
    })),
    forEverybody: true,
  },
  {
    name: "change the service's Deployment",
    attempt: patch(
      'deployments',
      ({ child }) => child,
      () => ({
        spec: { template: { metadata: { annotations: { changed: 'yes' } } } },
      }),
    ),
  },
  {
    name: "change the service's configuration",
    attempt: patch(
      'configMaps',
      ({ child }) => child,
      () => ({ data: { 'config.json': '{}' } }),
    ),
  },
];

function ingress(): Attack['attempt'] {
  return (request, { namespace, child }, n) =>
    request('POST', `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses`, {
      metadata: { name: `attack-${n}` },
      spec: reach(child),
    });
}

/** What stood in the way, by the server's own words. */
export function guardOf({ status, body }: Answer): string {
  const message = messageOfAnswer({ status, body, headers: {} });
  const policy = /ValidatingAdmissionPolicy '([^']+)'/.exec(message)?.[1];
  if (status < 300) return 'nothing';
  if (policy !== undefined && message.includes('denied request')) return `policy ${policy}`;
  if (/violates PodSecurity "restricted/.test(message)) return 'Pod Security';
  if (/exceeded quota/.test(message)) return 'quota';
  if (status === 403 && /cannot|attempting to grant/.test(message)) return 'RBAC';
  if ((status === 400 || status === 422) && /unknown field|strict decoding|is invalid/i.test(message))
    return 'schema';
  return message;
}
