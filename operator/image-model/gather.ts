import { labels } from '../../contracts/workload.ts';
import type { AnyModel, ImageService } from '../kinds.ts';
import { BY_MODEL, type Stores } from '../stores.ts';

/** Everything that is known about a model when it is reconciled. */
export interface GatheredModel {
  model: AnyModel;
  /** Services that name it, in the order of their names. */
  services: ImageService[];
  /** Of an ImageModel: whether its namespace is a tenant's. Of a ClusterImageModel always true. */
  placed: boolean;
}

export function gatherModel(model: AnyModel, stores: Stores): GatheredModel {
  const { namespace } = model.metadata;
  return {
    model,
    services: stores.imageServices
      .byIndex(BY_MODEL, modelKeyOf(model))
      .toSorted((a, b) => (serviceName(a) < serviceName(b) ? -1 : 1)),
    placed:
      namespace === undefined ||
      stores.namespaces.get({ name: namespace })?.metadata.labels?.[labels.tenant] !== undefined,
  };
}

/** Under what the services that name a model are found in the index BY_MODEL. */
export function modelKeyOf({ kind, metadata }: AnyModel): string {
  return modelKey(kind, metadata.name, metadata.namespace);
}

function modelKey(kind: string, name: string, namespace: string | undefined): string {
  return kind === 'ImageModel' ? `ImageModel/${namespace ?? ''}/${name}` : `ClusterImageModel/${name}`;
}

/** Under which models a service is found in the index BY_MODEL. */
export function modelKeysOf({ spec, metadata }: ImageService): string[] {
  return [spec.modelRef, spec.canary?.modelRef].flatMap((ref) =>
    ref === undefined ? [] : [modelKey(ref.kind, ref.name, metadata.namespace)],
  );
}

/** `{namespace}/{service}`. */
export function serviceName({ metadata }: ImageService): string {
  return `${metadata.namespace}/${metadata.name}`;
}
