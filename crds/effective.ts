import type { ImageService, Tenant } from './generated.ts';

/** What a plan allows where `limits.requestsPerMinute` says nothing. */
const requestsPerMinuteOfPlan: Record<Tenant['spec']['plan'], number> = { free: 10, enterprise: 500 };

/** The namespace that holds a tenant's services and models. */
export function tenantNamespace(tenant: Tenant): string {
  return tenant.spec.namespace ?? `tenant-${tenant.metadata.name}`;
}

/** The tenant that a namespace belongs to. */
export function tenantOfNamespace(namespace: string, tenants: readonly Tenant[]): Tenant | undefined {
  return tenants.find((tenant) => tenantNamespace(tenant) === namespace);
}

/** Requests that a tenant may make in any minute. */
export function requestsPerMinute(tenant: Tenant): number {
  return tenant.spec.limits.requestsPerMinute ?? requestsPerMinuteOfPlan[tenant.spec.plan];
}

/** What runs the graph of a service of engine onnx. */
export function executionProvider(
  service: ImageService,
): NonNullable<ImageService['spec']['executionProvider']> {
  return service.spec.executionProvider ?? (service.spec.gpu === undefined ? 'cpu' : 'cuda');
}
