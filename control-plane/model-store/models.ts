import { loadObjects } from '../../crds/load.ts';
import type { ClusterImageModel, ImageModel } from '../../crds/generated.ts';
import type { Logger } from '../../foundation/logger.ts';
import { loadAccess } from '../../operator/runtime/access.ts';
import { createInformer } from '../../operator/runtime/informer.ts';
import { resources } from '../../operator/runtime/resources.ts';
import { createTransport } from '../../operator/runtime/transport.ts';
import type { KubernetesObject } from '../../operator/runtime/types.ts';
import { type Catalogue, catalogueOf } from './catalogue.ts';
import type { ModelStoreConfig } from './config.ts';

export interface ModelSource {
  catalogue: () => Catalogue;
  synced: () => boolean;
  /** What is wrong, in words; undefined when nothing is. */
  problem: () => string | undefined;
  stop: () => Promise<void>;
}

/** The models of YAML files, read once, or those of the cluster, watched. */
export async function openModels(config: ModelStoreConfig, logger: Logger): Promise<ModelSource> {
  const { objects, files } = config;
  if ('kubernetes' in objects) return watchModels(files, logger);
  const { clusterImageModels, imageModels } = await loadObjects(objects.paths);
  const catalogue = catalogueOf({ cluster: clusterImageModels, tenants: imageModels }, files);
  return {
    catalogue: () => catalogue,
    synced: () => true,
    problem: () => undefined,
    stop: () => Promise.resolve(),
  };
}

function watchModels(files: string | undefined, logger: Logger): ModelSource {
  const transport = createTransport(loadAccess(), { program: 'imageplane-model-store' });
  const context = { transport, logger };
  const cluster = createInformer<KubernetesObject & ClusterImageModel>(
    { resource: resources.ClusterImageModel },
    context,
  );
  const tenants = createInformer<KubernetesObject & ImageModel>({ resource: resources.ImageModel }, context);
  const informers = [cluster, tenants];
  let compiled: Catalogue | undefined;
  for (const informer of informers) {
    informer.onChange(() => {
      compiled = undefined;
    });
    informer.start();
  }
  return {
    catalogue: () => (compiled ??= catalogueOf({ cluster: cluster.list(), tenants: tenants.list() }, files)),
    synced: () => informers.every(({ synced }) => synced),
    problem: () => informers.map((informer) => informer.problem()).find((found) => found !== undefined),
    async stop() {
      await Promise.all(informers.map((informer) => informer.stop()));
      await transport.close();
    },
  };
}
