import { labels, SERVICE_PORT } from '../../../contracts/workload.ts';
import { tenantNamespace } from '../../../crds/effective.ts';
import type { ClusterImageModel, ImageModel, ImageService, Tenant } from '../../../crds/generated.ts';
import type { Objects } from '../../../crds/load.ts';
import type { KubernetesObject } from '../../../operator/runtime/types.ts';

export type WatchedTenant = KubernetesObject & Tenant;
export type WatchedService = KubernetesObject & ImageService;
export type WatchedModel = KubernetesObject & ImageModel;
export type WatchedClusterModel = KubernetesObject & ClusterImageModel;

export interface EndpointSlice extends KubernetesObject {
  endpoints?: { addresses: string[]; conditions?: { ready?: boolean } }[] | null;
}

/** Everything that is watched, as it is now. */
export interface Watched {
  tenants: readonly WatchedTenant[];
  imageServices: readonly WatchedService[];
  imageModels: readonly WatchedModel[];
  clusterImageModels: readonly WatchedClusterModel[];
  /** Those that carry the label of a tenant. */
  namespaces: readonly KubernetesObject[];
  /** Those that carry the label of a service. */
  slices: readonly EndpointSlice[];
}

/**
 * The tenant of a namespace: the one that names it, if the namespace says so too. Both are the platform's to write, and
 * one alone would let either side claim the other. Pure.
 */
export function tenantOf(
  namespace: KubernetesObject,
  tenants: readonly WatchedTenant[],
): WatchedTenant | undefined {
  const name = namespace.metadata.labels?.[labels.tenant];
  const tenant = tenants.find(({ metadata }) => metadata.name === name);
  if (tenant === undefined || tenantNamespace(tenant) !== namespace.metadata.name) return undefined;
  return tenant;
}

/** What counts of what is watched: nothing of a tenant that is going, nothing outside tenants' namespaces. Pure. */
export function objectsOf(watched: Watched): Objects {
  const tenants = watched.tenants.filter(isStaying);
  const held = new Set(
    watched.namespaces
      .filter((namespace) => isStaying(namespace) && tenantOf(namespace, tenants) !== undefined)
      .map(({ metadata }) => metadata.name),
  );
  const inside = ({ metadata }: KubernetesObject): boolean => held.has(metadata.namespace ?? '');
  return {
    tenants,
    imageServices: watched.imageServices.filter((service) => isStaying(service) && inside(service)),
    imageModels: watched.imageModels.filter(inside),
    clusterImageModels: [...watched.clusterImageModels],
    // The API server takes no model without its digests.
    unpinnedModels: [],
  };
}

/** Base URLs of the ready pods of each service, by `{tenant}/{service}`, in an order that stays. Pure. */
export function endpointsOf(watched: Watched): Record<string, string[]> {
  const tenants = new Map(
    watched.namespaces.flatMap((namespace) => {
      const tenant = tenantOf(namespace, watched.tenants);
      return tenant === undefined ? [] : [[namespace.metadata.name, tenant.metadata.name] as const];
    }),
  );
  const found = new Map<string, Set<string>>();
  for (const slice of watched.slices) {
    const tenant = tenants.get(slice.metadata.namespace ?? '');
    const service = slice.metadata.labels?.[labels.service];
    if (tenant === undefined || service === undefined || !isOfService(slice)) continue;
    const id = `${tenant}/${service}`;
    const urls = found.get(id) ?? new Set();
    found.set(id, urls);
    for (const { addresses, conditions } of slice.endpoints ?? [])
      // Of several addresses of one endpoint only the first may be used.
      if (conditions?.ready !== false && addresses[0] !== undefined) urls.add(urlOf(addresses[0]));
  }
  return Object.fromEntries([...found].map(([id, urls]) => [id, [...urls].sort()]));
}

/** Made for a Service by the cluster's own controller. */
function isOfService({ metadata }: EndpointSlice): boolean {
  return (
    metadata.labels?.['endpointslice.kubernetes.io/managed-by'] === 'endpointslice-controller.k8s.io' &&
    metadata.ownerReferences?.some(({ kind, controller }) => kind === 'Service' && controller === true) ===
      true
  );
}

const isStaying = ({ metadata }: KubernetesObject): boolean => metadata.deletionTimestamp === undefined;

function urlOf(address: string): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${SERVICE_PORT}`;
}
