import type { OperatorConfig } from '../config.ts';
import { childName } from '../../contracts/workload.ts';
import type { AnyModel, ImageService, Tenant } from '../kinds.ts';
import type { ObjectMeta } from '../runtime/types.ts';
import { serviceLabels } from './names.ts';

/** What a service's children are made of, once it is clear that it may run. */
export interface Target {
  service: ImageService;
  tenant: Tenant;
  /** Of engine onnx. */
  model: AnyModel | undefined;
  config: OperatorConfig;
}

/** Metadata of a child: they all have one name, and the namespace of their ImageService. */
export function childMetadata({ service, tenant }: Target): ObjectMeta {
  return {
    name: childName(service.metadata.name),
    namespace: service.metadata.namespace,
    labels: serviceLabels(service, tenant),
  };
}
