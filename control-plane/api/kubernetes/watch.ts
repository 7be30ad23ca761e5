import { labels } from '../../../contracts/workload.ts';
import type { Logger } from '../../../foundation/logger.ts';
import { loadAccess } from '../../../operator/runtime/access.ts';
import { createClient } from '../../../operator/runtime/client.ts';
import { createInformer, type Informer } from '../../../operator/runtime/informer.ts';
import { resources } from '../../../operator/runtime/resources.ts';
import { createTransport } from '../../../operator/runtime/transport.ts';
import type { Client, KubernetesObject, Resource } from '../../../operator/runtime/types.ts';
import {
  type EndpointSlice,
  tenantOf,
  type Watched,
  type WatchedClusterModel,
  type WatchedModel,
  type WatchedService,
  type WatchedTenant,
} from './objects.ts';
import type { TenantNamespace } from './senders.ts';

/** Changes within so long are taken together. */
const SETTLE_MS = 100;
const SYNC_LIMIT_MS = 90_000;

export interface Cluster {
  client: Client;
  watched: () => Watched;
  tenants: Informer<WatchedTenant>;
  namespaceOf: (name: string) => TenantNamespace | undefined;
  stop: () => Promise<void>;
}

/**
 * Watches what the API needs of the cluster: our four kinds, and of the others only what carries the label of a tenant or
 * a service. Resolves once all of it is known; `onChange` is called after, soon after every change.
 * @throws when the API server did not answer in time.
 */
export async function watchCluster(onChange: () => void, logger: Logger): Promise<Cluster> {
  const transport = createTransport(loadAccess(), { program: 'imageplane-api' });
  const inform = <T extends KubernetesObject>(resource: Resource, label?: string): Informer<T> =>
    createInformer<T>(
      { resource, ...(label === undefined ? {} : { scopes: [{ labelSelector: label }] }) },
      { transport, logger },
    );
  const tenants = inform<WatchedTenant>(resources.Tenant);
  const imageServices = inform<WatchedService>(resources.ImageService);
  const imageModels = inform<WatchedModel>(resources.ImageModel);
  const clusterImageModels = inform<WatchedClusterModel>(resources.ClusterImageModel);
  const namespaces = inform<KubernetesObject>(resources.Namespace, labels.tenant);
  const slices = inform<EndpointSlice>(resources.EndpointSlice, labels.service);
  const informers = [tenants, imageServices, imageModels, clusterImageModels, namespaces, slices];

  let settling: NodeJS.Timeout | undefined;
  const changed = (): void => {
    settling ??= setTimeout(() => {
      settling = undefined;
      onChange();
    }, SETTLE_MS);
  };
  const stop = async (): Promise<void> => {
    clearTimeout(settling);
    await Promise.all(informers.map((informer) => informer.stop()));
    await transport.close();
  };
  for (const informer of informers) informer.start();
  try {
    const limit = AbortSignal.timeout(SYNC_LIMIT_MS);
    await Promise.all(informers.map((informer) => informer.whenSynced(limit)));
  } catch (error) {
    const problem = informers.map((informer) => informer.problem()).find((found) => found !== undefined);
    await stop();
    throw new Error(`The cluster's objects could not be read: ${problem ?? 'no answer'}`, { cause: error });
  }
  for (const informer of informers) informer.onChange(changed);
  return {
    client: createClient(transport),
    watched: () => ({
      tenants: tenants.list(),
      imageServices: imageServices.list(),
      imageModels: imageModels.list(),
      clusterImageModels: clusterImageModels.list(),
      namespaces: namespaces.list(),
      slices: slices.list(),
    }),
    tenants,
    namespaceOf(name) {
      const namespace = namespaces.get({ name });
      const uid = namespace?.metadata.uid;
      const tenant = namespace === undefined ? undefined : tenantOf(namespace, tenants.list());
      return uid === undefined || tenant === undefined ? undefined : { uid, tenant: tenant.metadata.name };
    },
    stop,
  };
}
