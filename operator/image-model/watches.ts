import type { ImageService } from '../kinds.ts';
import type { ObjectKey } from '../runtime/types.ts';
import { specChanged } from '../runtime/watches.ts';
import type { Stores } from '../stores.ts';
import { ownKey, type Wakes } from '../wake.ts';

/** What wakes the controller of ImageModels. */
export function imageModelWakes(stores: Stores): Wakes {
  return [
    { store: 'imageModels', keys: (model) => [ownKey(model)], matters: specChanged },
    { store: 'imageServices', keys: (service) => modelsOf(service, 'ImageModel'), matters: specChanged },
    { store: 'namespaces', keys: ({ metadata }) => stores.imageModels.list(metadata.name).map(ownKey) },
  ];
}

/** What wakes the controller of ClusterImageModels. */
export function clusterImageModelWakes(): Wakes {
  return [
    { store: 'clusterImageModels', keys: (model) => [ownKey(model)], matters: specChanged },
    {
      store: 'imageServices',
      keys: (service) => modelsOf(service, 'ClusterImageModel'),
      matters: specChanged,
    },
  ];
}

function modelsOf({ spec, metadata }: ImageService, kind: 'ImageModel' | 'ClusterImageModel'): ObjectKey[] {
  return [spec.modelRef, spec.canary?.modelRef].flatMap((ref) => {
    if (ref?.kind !== kind) return [];
    return [kind === 'ImageModel' ? { namespace: metadata.namespace, name: ref.name } : { name: ref.name }];
  });
}
