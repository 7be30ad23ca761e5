import type {
  V1ContainerStatus,
  V1DeploymentSpec,
  V1DeploymentStatus,
  V1PodSpec,
  V1ResourceQuotaSpec,
  V1ServiceSpec,
} from '@kubernetes/client-node';
import type * as crds from '../crds/generated.ts';
import { resources } from './runtime/resources.ts';
import type { KubernetesObject, Resource } from './runtime/types.ts';

/** A type of the Kubernetes API as raw JSON has it: no class, and times as text. */
export type Plain<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Key in keyof T]: Plain<T[Key]> }
      : T;

/** Objects as the API server sends them. */
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
  spec: Plain<V1ResourceQuotaSpec>;
  status?: { used?: Record<string, string> };
}
export interface Deployment extends KubernetesObject {
  spec: Plain<V1DeploymentSpec>;
  status?: Omit<Plain<V1DeploymentStatus>, 'conditions'> & { conditions?: PlainCondition[] };
}
export interface ReplicaSet extends KubernetesObject {
  status?: { conditions?: PlainCondition[] };
}
export interface Pod extends KubernetesObject {
  spec?: Plain<V1PodSpec>;
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: PlainCondition[];
    initContainerStatuses?: Plain<V1ContainerStatus>[];
    containerStatuses?: Plain<V1ContainerStatus>[];
  };
}
export interface Service extends KubernetesObject {
  spec: Plain<V1ServiceSpec>;
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

/** Every kind that the controllers read or write. */
export const kinds = {
  tenants: resources.Tenant,
  imageServices: resources.ImageService,
  imageModels: resources.ImageModel,
  clusterImageModels: resources.ClusterImageModel,
  namespaces: resources.Namespace,
  configMaps: resources.ConfigMap,
  secrets: resources.Secret,
  serviceAccounts: resources.ServiceAccount,
  resourceQuotas: resources.ResourceQuota,
  limitRanges: resources.LimitRange,
  services: resources.Service,
  pods: resources.Pod,
  deployments: resources.Deployment,
  replicaSets: resources.ReplicaSet,
  networkPolicies: resources.NetworkPolicy,
  roleBindings: resources.RoleBinding,
  podDisruptionBudgets: resources.PodDisruptionBudget,
} as const satisfies Record<string, Resource>;

export type KindName = keyof typeof kinds;
