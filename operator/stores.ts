import type * as k from './kinds.ts';
import type { KindName } from './kinds.ts';
import type { Informer } from './runtime/informer.ts';
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

/** What each store holds. */
export type Held = {
  [Kind in KindName]: Kind extends keyof Typed ? Typed[Kind] : KubernetesObject;
} & {
  /** Of the system namespace alone; the others hold what is ours in tenants' namespaces. */
  systemSecrets: k.Secret;
  systemConfigMaps: k.ConfigMap;
};
export type StoreName = keyof Held;

/** What controllers read from: never the API server itself. */
export type Stores = { [Name in StoreName]: Store<Held[Name]> };
export type Informers = { [Name in StoreName]: Informer<Held[Name]> };

/** The store of a kind for what takes any kind. */
export function informerOf(informers: Informers, kind: KindName): Informer {
  return informers[kind] as unknown as Informer;
}

/** Index of pods and ReplicaSets: by `{namespace}/{service}`. */
export const BY_SERVICE = 'service';
/** Index of ImageServices: by the models they name, as `modelKey` writes them. */
export const BY_MODEL = 'model';
