import type {
  V1ContainerStatus,
  V1DeploymentSpec,
  V1DeploymentStatus,
  V1PodSpec,
  V1ResourceQuotaSpec,
  V1ServiceSpec,
} from '@kubernetes/client-node';
import type * as crds from '../crds/generated.ts';
import type { KubernetesObject, ObjectMeta, Resource } from './runtime/types.ts';

/** Objects as the API server sends them. Times are strings there, so only fields without one are typed. */
type Ours<T extends { metadata: unknown }> = Omit<T, 'metadata'> & KubernetesObject;
export type Tenant = Ours<crds.Tenant>;
export type ImageService = Ours<crds.ImageService> & { metadata: { namespace: string } };
export type ImageModel = Ours<crds.ImageModel> & { metadata: { namespace: string } };
export type ClusterImageModel = Ours<crds.ClusterImageModel>;
export type AnyModel = ImageModel | ClusterImageModel;

export interface Namespace extends KubernetesObject {
  status?: { phase?: string };
}
export interface ConfigMap extends KubernetesObject {
  data?: Record<string, string>;
  binaryData?: Record<string, string>;
}
/** `data` is base64. */
export interface Secret extends KubernetesObject {
  type?: string;
  data?: Record<string, string>;
}
export interface ServiceAccount extends KubernetesObject {
  automountServiceAccountToken: boolean;
}
export interface ResourceQuota extends KubernetesObject {
  spec: V1ResourceQuotaSpec;
  status?: { used?: Record<string, string> };
}
export interface Deployment extends KubernetesObject {
  spec: V1DeploymentSpec;
  status?: Omit<V1DeploymentStatus, 'conditions'> & { conditions?: PlainCondition[] };
}
export interface ReplicaSet extends KubernetesObject {
  status?: { conditions?: PlainCondition[] };
}
export interface Pod extends KubernetesObject {
  spec?: V1PodSpec;
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: PlainCondition[];
    initContainerStatuses?: V1ContainerStatus[];
    containerStatuses?: V1ContainerStatus[];
  };
}
export interface Service extends KubernetesObject {
  spec: V1ServiceSpec;
}
export interface PlainCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

export interface PolicyPeer {
  namespaceSelector?: LabelSelector | undefined;
  podSelector?: LabelSelector | undefined;
  ipBlock?: { cidr: string; except?: string[] | undefined } | undefined;
}
export interface LabelSelector {
  matchLabels?: Record<string, string> | undefined;
  matchExpressions?: { key: string; operator: string; values?: string[] | undefined }[] | undefined;
}
interface PolicyPort {
  protocol: 'TCP' | 'UDP';
  port: number;
}
export interface NetworkPolicy extends KubernetesObject {
  spec: {
    podSelector: LabelSelector;
    policyTypes: ('Ingress' | 'Egress')[];
    ingress: { from: PolicyPeer[]; ports: PolicyPort[] }[];
    egress: { to: PolicyPeer[]; ports?: PolicyPort[] }[];
  };
}

/** What a renderer gives: everything but what the API server adds. */
export type Rendered<T extends KubernetesObject> = Omit<T, 'status'> & { metadata: ObjectMeta };

const imageplane = { group: 'imageplane.dev', version: 'v1alpha1' };
const core = { group: '', version: 'v1', namespaced: true };
const apps = { group: 'apps', version: 'v1', namespaced: true };

/** Every kind that the controllers read or write. */
export const kinds = {
  tenants: { ...imageplane, kind: 'Tenant', plural: 'tenants', namespaced: false },
  imageServices: { ...imageplane, kind: 'ImageService', plural: 'imageservices', namespaced: true },
  imageModels: { ...imageplane, kind: 'ImageModel', plural: 'imagemodels', namespaced: true },
  clusterImageModels: {
    ...imageplane,
    kind: 'ClusterImageModel',
    plural: 'clusterimagemodels',
    namespaced: false,
  },
  namespaces: { ...core, kind: 'Namespace', plural: 'namespaces', namespaced: false },
  configMaps: { ...core, kind: 'ConfigMap', plural: 'configmaps' },
  secrets: { ...core, kind: 'Secret', plural: 'secrets' },
  serviceAccounts: { ...core, kind: 'ServiceAccount', plural: 'serviceaccounts' },
  resourceQuotas: { ...core, kind: 'ResourceQuota', plural: 'resourcequotas' },
  limitRanges: { ...core, kind: 'LimitRange', plural: 'limitranges' },
  services: { ...core, kind: 'Service', plural: 'services' },
  pods: { ...core, kind: 'Pod', plural: 'pods' },
  deployments: { ...apps, kind: 'Deployment', plural: 'deployments' },
  replicaSets: { ...apps, kind: 'ReplicaSet', plural: 'replicasets' },
  networkPolicies: {
    group: 'networking.k8s.io',
    version: 'v1',
    kind: 'NetworkPolicy',
    plural: 'networkpolicies',
    namespaced: true,
  },
  roleBindings: {
    group: 'rbac.authorization.k8s.io',
    version: 'v1',
    kind: 'RoleBinding',
    plural: 'rolebindings',
    namespaced: true,
  },
  podDisruptionBudgets: {
    group: 'policy',
    version: 'v1',
    kind: 'PodDisruptionBudget',
    plural: 'poddisruptionbudgets',
    namespaced: true,
  },
} as const satisfies Record<string, Resource>;

export type KindName = keyof typeof kinds;

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === '' ? version : `${group}/${version}`;
}
