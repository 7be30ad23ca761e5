import type * as k from './kinds.ts';
import type { KindName } from './kinds.ts';
import type { KubernetesObject, Store } from './runtime/types.ts';

interface Typed {
  tenants: k.Tenant;
  imageServices: k.ImageService;
  imageModels: k.ImageModel;
  clusterImageModels: k.ClusterImageModel;
  namespaces: k.Namespace;
  configMaps: k.ConfigMap;
  secrets: k.Secret;
  serviceAccounts: k.ServiceAccount;
  resourceQuotas: k.ResourceQuota;
  services: k.Service;
  pods: k.Pod;
  deployments: k.Deployment;
  replicaSets: k.ReplicaSet;
  networkPolicies: k.NetworkPolicy;
}

/** What controllers read from: never the API server itself. */
export type Stores = {
  [Kind in KindName]: Store<Kind extends keyof Typed ? Typed[Kind] : KubernetesObject>;
} & {
  /** Of the system namespace alone; the others hold what is ours in tenants' namespaces. */
  systemSecrets: Store<k.Secret>;
  systemConfigMaps: Store<k.ConfigMap>;
};

/** Index of every store of children: objects by the uid of their controller. */
export const BY_CONTROLLER = 'controller';
/** Index of pods and ReplicaSets: by `{namespace}/{service}`. */
export const BY_SERVICE = 'service';
/** Index of ImageServices: by the models they name, as `modelKey` writes them. */
export const BY_MODEL = 'model';
