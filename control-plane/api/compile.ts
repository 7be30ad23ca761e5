import type { Role } from '../../contracts/principal.ts';
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

/** Which groups of identity providers each tenant admits, and as what. Pure. */
export function groupsOf({ tenants }: Objects): ReadonlyMap<string, { name: string; role: Role }[]> {
  return new Map(tenants.map(({ metadata, spec }) => [metadata.name, spec.groups ?? []]));
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
      megapixelsPerDay: limits.megapixelsPerDay,
      megapixelsPerMonth: limits.megapixelsPerMonth,
      stepsPerDay: limits.stepsPerDay,
      stepsPerMonth: limits.stepsPerMonth,
      computeSecondsPerDay: limits.computeSecondsPerDay,
      computeSecondsPerMonth: limits.computeSecondsPerMonth,
      perUser: limits.perUser,
    },
    access: {
      allowedCidrs: access.allowedCIDRs ?? [],
      unlimitedCidrs: access.unlimitedCIDRs ?? [],
      intranetCidrs: access.intranetCIDRs ?? [],
      timeWindows: access.timeWindows ?? [],
      secondFactor: access.secondFactor,
      basic: access.basic,
      ...(access.maxKeyAgeDays === undefined ? {} : { maxKeyAgeDays: access.maxKeyAgeDays }),
      risk: access.risk,
    },
  };
}

function compileService(tenant: Tenant, service: ImageService, endpoints: string[]): ServiceRoute {
  const { engine, queue, maxBodyMegabytes, limits, modelRef } = service.spec;
  const unavailable = endpoints.length === 0 ? 'Nothing answers for it yet.' : undefined;
  return {
    tenant: tenant.metadata.name,
    name: service.metadata.name,
    engine,
    endpoints,
    ...(unavailable === undefined ? {} : { unavailable }),
    access: compileAccess(tenant, service),
    ...(modelRef === undefined ? {} : { model: modelRef.name }),
    maxBodyBytes: maxBodyMegabytes * MEBIBYTE,
    timeoutSeconds: queue.deadlineSeconds + DEADLINE_MARGIN_SECONDS,
    limits,
  };
}

/** Every set of addresses must hold the client's. An intranet that is not described holds nobody's. */
function compileAccess(tenant: Tenant, service: ImageService): ServiceRoute['access'] {
  const { minimumRole, allowedCIDRs = [], intranetOnly, ...rest } = service.spec.access;
  return {
    ...(minimumRole === undefined ? {} : { minimumRole }),
    addressSets: [
      ...(allowedCIDRs.length > 0 ? [allowedCIDRs] : []),
      ...(intranetOnly ? [tenant.spec.access.intranetCIDRs ?? []] : []),
    ],
    ...compileConditions(rest),
  };
}

function compileConditions(
  access: Pick<ImageService['spec']['access'], 'timeWindows' | 'secondFactor' | 'maxKeyAgeDays'>,
): Pick<ServiceRoute['access'], 'conditions'> {
  const { timeWindows = [], secondFactor, maxKeyAgeDays } = access;
  if (timeWindows.length === 0 && !secondFactor && maxKeyAgeDays === undefined) return {};
  return {
    conditions: {
      ...(timeWindows.length === 0 ? {} : { timeWindows }),
      ...(secondFactor ? { secondFactor } : {}),
      ...(maxKeyAgeDays === undefined ? {} : { maxKeyAgeDays }),
    },
  };
}

/** A model whose files may be exported by whoever has leave. */
export interface KnownModel {
  kind: 'ImageModel' | 'ClusterImageModel';
  files: { name: string; sha256: string; size: number }[];
}

export type KnownModels = ReadonlyMap<string, KnownModel>;

/** The models that each tenant may use, by their names: its own before the platform's. Pure. */
export function modelsOf({
  tenants,
  imageModels,
  clusterImageModels,
}: Objects): ReadonlyMap<string, KnownModels> {
  return new Map(
    tenants.map((tenant) => {
      const allowed = tenant.spec.models?.allowed;
      const shared = clusterImageModels.filter(
        ({ metadata }) => allowed === undefined || allowed.includes(metadata.name),
      );
      const own = imageModels.filter(
        ({ metadata }) => tenantOfNamespace(metadata.namespace, tenants) === tenant,
      );
      const models = [...shared, ...own].map(({ kind, metadata, spec }) => {
        const files = spec.files.map(({ name, sha256, size }) => ({ name, sha256, size }));
        return [metadata.name, { kind, files }] as const;
      });
      return [tenant.metadata.name, new Map(models)];
    }),
  );
}
