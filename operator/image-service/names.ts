import { labels, MANAGED_BY } from '../../contracts/workload.ts';
import type { ImageService, Tenant } from '../kinds.ts';

/** Field manager of everything that the ImageService controller writes. */
export const FIELD_MANAGER = 'imageplane-image-service';

/** Names of containers in a service's pod. */
export const FETCH = 'fetch-model';
export const MAIN = 'service';

/** Labels by which a service's pods are found. They never change, since a Deployment's selector cannot. */
export function podSelector(service: ImageService, tenant: Tenant): Record<string, string> {
  return { [labels.service]: service.metadata.name, [labels.tenant]: tenant.metadata.name };
}

/** Labels of every child of a service, its pods among them. */
export function serviceLabels(service: ImageService, tenant: Tenant): Record<string, string> {
  return {
    ...podSelector(service, tenant),
    [labels.managedBy]: MANAGED_BY,
    [labels.instance]: service.metadata.name,
    [labels.name]: service.spec.engine === 'onnx' ? 'inference-server' : 'container',
  };
}
