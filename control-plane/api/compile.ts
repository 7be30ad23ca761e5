import type { ServiceRoute, Snapshot, TenantPolicy } from '../../contracts/snapshot.ts';
import { requestsPerMinute, tenantOfNamespace } from '../../crds/effective.ts';
import type { ImageService, Tenant } from '../../crds/generated.ts';
import type { Objects } from '../../crds/load.ts';

const MEBIBYTE = 1024 * 1024;
/** The inference server ends a request at its deadline and says so; the gateway waits a little longer to hear it. */
const DEADLINE_MARGIN_SECONDS = 10;

/** What gateways need of the declared objects. Pure. */
export function compilePolicies(
  objects: Objects,
  endpoints: Readonly<Record<string, string[]>>,
): Pick<Snapshot, 'tenants' | 'services'> {
  const { tenants, imageServices } = objects;
  const services = imageServices.flatMap((service) => {
    const tenant = tenantOfNamespace(service.metadata.namespace, tenants);
    if (tenant === undefined) return [];
    const id = `${tenant.metadata.name}/${service.metadata.name}`;
    return [[id, compileService(tenant, service, endpoints[id] ?? [])] as const];
  });
  return {
    tenants: Object.fromEntries(tenants.map((tenant) => [tenant.metadata.name, compileTenant(tenant)])),
    services: Object.fromEntries(services),
  };
}

function compileTenant(tenant: Tenant): TenantPolicy {
  const { plan, limits, access } = tenant.spec;
  return {
    plan,
    limits: {
      requestsPerMinute: requestsPerMinute(tenant),
      requestsPerDay: limits.requestsPerDay,
      requestsPerMonth: limits.requestsPerMonth,
      concurrency: limits.concurrency,
      megapixelsPerRequest: limits.megapixelsPerRequest,
    },
    access: {
      allowedCidrs: access.allowedCIDRs ?? [],
      unlimitedCidrs: access.unlimitedCIDRs ?? [],
      intranetCidrs: access.intranetCIDRs ?? [],
      timeWindows: access.timeWindows ?? [],
      secondFactor: access.secondFactor,
      basic: false,
    },
  };
}

function compileService(tenant: Tenant, service: ImageService, endpoints: string[]): ServiceRoute {
  const { engine, queue, maxBodyMegabytes } = service.spec;
  const unavailable =
    unenforced(tenant) ?? (endpoints.length === 0 ? 'Nothing answers for it yet.' : undefined);
  return {
    tenant: tenant.metadata.name,
    name: service.metadata.name,
    engine,
    endpoints,
    ...(unavailable === undefined ? {} : { unavailable }),
    access: compileAccess(tenant, service),
    maxBodyBytes: maxBodyMegabytes * MEBIBYTE,
    timeoutSeconds: queue.deadlineSeconds + DEADLINE_MARGIN_SECONDS,
  };
}

/** Every set of addresses must hold the client's. An intranet that is not described holds nobody's. */
function compileAccess(tenant: Tenant, service: ImageService): ServiceRoute['access'] {
  const { minimumRole, allowedCIDRs = [], intranetOnly } = service.spec.access;
  return {
    ...(minimumRole === undefined ? {} : { minimumRole }),
    addressSets: [
      ...(allowedCIDRs.length > 0 ? [allowedCIDRs] : []),
      ...(intranetOnly ? [tenant.spec.access.intranetCIDRs ?? []] : []),
    ],
  };
}

/** A condition that is declared and that this release cannot hold anybody to closes the service. */
function unenforced(tenant: Tenant): string | undefined {
  const { timeWindows = [], secondFactor } = tenant.spec.access;
  if (timeWindows.length > 0) return 'Its tenant demands time windows, which this release cannot enforce.';
  if (secondFactor === 'Always')
    return 'Its tenant demands a second factor, which this release cannot ask for.';
  return undefined;
}
