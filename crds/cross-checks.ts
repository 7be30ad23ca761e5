import { tenantNamespace, tenantOfNamespace } from './effective.ts';
import type {
  ClusterImageModel,
  ImageModel,
  ImageplaneObject,
  ImageService,
  ModelRef,
  Tenant,
} from './generated.ts';
import type { Path } from './path.ts';
import type { Problem } from './sentences.ts';
import { didYouMean } from './suggest.ts';
import type { UnpinnedModel } from './unpinned.ts';

/** Everything that was read, by kind. */
export interface Objects {
  tenants: Tenant[];
  imageServices: ImageService[];
  imageModels: ImageModel[];
  clusterImageModels: ClusterImageModel[];
  unpinnedModels: UnpinnedModel[];
}

type Report = (object: ImageplaneObject, problem: Problem) => void;

/** What no schema sees, since it takes two objects: on Kubernetes these are conditions of the object. */
export function crossCheck(objects: Objects, report: Report): void {
  for (const tenant of objects.tenants) {
    checkNamespace(tenant, objects.tenants, report);
    checkTimeZones(tenant, report);
    checkServiceCount(tenant, objects, report);
  }
  for (const model of objects.imageModels) checkOwner(model, objects.tenants, report);
  for (const service of objects.imageServices) {
    const tenant = checkOwner(service, objects.tenants, report);
    checkTimeZones(service, report);
    const { modelRef, canary, access } = service.spec;
    if (modelRef !== undefined)
      checkModelRef({ service, tenant, ref: modelRef, path: ['spec', 'modelRef'] }, objects, report);
    if (canary !== undefined)
      checkModelRef(
        { service, tenant, ref: canary.modelRef, path: ['spec', 'canary', 'modelRef'] },
        objects,
        report,
      );
    if (access.intranetOnly && tenant !== undefined && (tenant.spec.access.intranetCIDRs ?? []).length === 0)
      report(service, {
        path: ['spec', 'access', 'intranetOnly'],
        at: 'value',
        message: `the Tenant ${tenant.metadata.name} names no intranet, so nobody could call the service; write spec.access.intranetCIDRs in the Tenant, or intranetOnly: false`,
      });
  }
}

function checkNamespace(tenant: Tenant, tenants: Tenant[], report: Report): void {
  const namespace = tenantNamespace(tenant);
  const first = tenants.find((other) => tenantNamespace(other) === namespace);
  if (first !== undefined && first !== tenant)
    report(tenant, {
      path: ['spec', 'namespace'],
      at: 'value',
      message: `the namespace ${namespace} already belongs to the Tenant ${first.metadata.name}; write another`,
    });
}

function checkTimeZones(object: Tenant | ImageService, report: Report): void {
  for (const [index, { timeZone }] of (object.spec.access.timeWindows ?? []).entries())
    checkTimeZone(object, timeZone, ['spec', 'access', 'timeWindows', index, 'timeZone'], report);
  if (object.kind === 'Tenant')
    checkTimeZone(object, object.spec.access.risk.timeZone, ['spec', 'access', 'risk', 'timeZone'], report);
}

function checkTimeZone(object: ImageplaneObject, timeZone: string, path: Path, report: Report): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
  } catch {
    report(object, {
      path,
      at: 'value',
      message: `there is no time zone ${timeZone};${didYouMean(timeZone, Intl.supportedValuesOf('timeZone'))} write an IANA name such as Asia/Shanghai, or UTC`,
    });
  }
}

function checkServiceCount(tenant: Tenant, objects: Objects, report: Report): void {
  const allowed = tenant.spec.quota?.services;
  if (allowed === undefined) return;
  const namespace = tenantNamespace(tenant);
  const services = objects.imageServices.filter(({ metadata }) => metadata.namespace === namespace);
  for (const service of services.slice(allowed))
    report(service, {
      path: ['metadata', 'name'],
      at: 'value',
      message: `the Tenant ${tenant.metadata.name} may have ${allowed} ImageServices and this is one more; remove one, or raise spec.quota.services of the Tenant`,
    });
}

function checkOwner(
  object: ImageService | ImageModel,
  tenants: Tenant[],
  report: Report,
): Tenant | undefined {
  const { namespace } = object.metadata;
  const tenant = tenantOfNamespace(namespace, tenants);
  if (tenant !== undefined) return tenant;
  const known = tenants.map(tenantNamespace);
  report(object, {
    path: ['metadata', 'namespace'],
    at: 'value',
    message: `the namespace ${namespace} belongs to no Tenant;${didYouMean(namespace, known)} ${
      known.length === 0
        ? 'There is no Tenant yet: write one'
        : `Namespaces of Tenants are: ${known.join(', ')}`
    }`,
  });
  return undefined;
}

interface Reference {
  service: ImageService;
  tenant: Tenant | undefined;
  ref: ModelRef;
  path: Path;
}

function checkModelRef({ service, tenant, ref, path }: Reference, objects: Objects, report: Report): void {
  const candidates =
    ref.kind === 'ClusterImageModel'
      ? objects.clusterImageModels
      : objects.imageModels.filter(({ metadata }) => metadata.namespace === service.metadata.namespace);
  const model = candidates.find(({ metadata }) => metadata.name === ref.name);
  const unpinned = objects.unpinnedModels.find(
    ({ kind, metadata }) =>
      kind === ref.kind &&
      metadata.name === ref.name &&
      (kind === 'ClusterImageModel' || metadata.namespace === service.metadata.namespace),
  );
  if (model === undefined && unpinned !== undefined) {
    report(service, {
      path: [...path, 'name'],
      at: 'value',
      message: `the ${ref.kind} ${ref.name} has a file without a sha256, and such a file is never loaded; record one with: npm run models -- pin ${unpinned.file}`,
    });
    return;
  }
  if (model === undefined) {
    const known = candidates.map(({ metadata }) => metadata.name);
    const where = ref.kind === 'ImageModel' ? ` in the namespace ${service.metadata.namespace}` : '';
    report(service, {
      path: [...path, 'name'],
      at: 'value',
      message: `there is no ${ref.kind} ${ref.name}${where};${didYouMean(ref.name, known)} ${
        known.length === 0 ? `There is none yet: write a ${ref.kind}` : `There are: ${known.join(', ')}`
      }`,
    });
    return;
  }
  checkAllowed({ service, tenant, ref, path }, report);
  const { task } = service.spec;
  if (task !== undefined && task !== model.spec.task)
    report(service, {
      path: ['spec', 'task'],
      at: 'value',
      message: `the model ${ref.name} is for ${model.spec.task}, not for ${task}; write task: ${model.spec.task}, leave task out, or name another model`,
    });
}

function checkAllowed({ service, tenant, ref, path }: Reference, report: Report): void {
  const allowed = tenant?.spec.models?.allowed;
  if (tenant === undefined || allowed === undefined || ref.kind === 'ImageModel') return;
  if (allowed.includes(ref.name)) return;
  report(service, {
    path: [...path, 'name'],
    at: 'value',
    message: `the Tenant ${tenant.metadata.name} may not use the ClusterImageModel ${ref.name}; ${
      allowed.length === 0
        ? 'its spec.models.allowed is empty, so none is allowed'
        : `its spec.models.allowed has ${allowed.join(', ')}`
    }`,
  });
}
