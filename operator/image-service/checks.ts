import { API_GROUP } from '../../contracts/workload.ts';
import { modelDigest } from '../../crds/model-digest.ts';
import { didYouMean } from '../../crds/suggest.ts';
import type { Verdict } from '../conditions.ts';
import type { AnyModel, Tenant } from '../kinds.ts';
import { isPaused } from '../tenant/names.ts';
import type { GatheredService } from './gather.ts';

/** Why a service may not run as declared. `pods` says what becomes of those that run. */
export interface Refusal extends Verdict {
  /** `keep`: they go on, untouched. `stop`: they may not. */
  pods: 'keep' | 'stop';
}

type Check = (gathered: GatheredService) => Refusal | undefined;

/** In order; the first that objects is what the service's condition says. */
const checks: readonly Check[] = [
  tenantStands,
  tenantGoesOn,
  runsOnKubernetes,
  modelExists,
  modelAllowed,
  modelFits,
  modelSupported,
  licenceAcknowledged,
  priorityAllowed,
  wallsStand,
];

/** What keeps the service from running as declared, from other objects; undefined when nothing does. Pure. */
export function refusalOf(gathered: GatheredService): Refusal | undefined {
  for (const check of checks) {
    const refusal = check(gathered);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Under a Tenant's annotation of this name an administrator's acceptance of a model's terms stands, as its digest. */
export function acknowledgementOf(model: AnyModel): string {
  return `licence.${API_GROUP}/${model.metadata.name}`;
}

function tenantStands({ service, tenant }: GatheredService): Refusal | undefined {
  const { namespace } = service.metadata;
  if (tenant === undefined)
    return {
      state: 'failed',
      reason: 'TenantMissing',
      message: `The namespace ${namespace} belongs to no Tenant. Move the service to a tenant's namespace, or have the platform team make a Tenant for this one.`,
      pods: 'keep',
    };
  if (tenant.metadata.deletionTimestamp !== undefined)
    return {
      state: 'progressing',
      reason: 'TenantDeleting',
      message: `The Tenant ${tenant.metadata.name} is being deleted, and this service with it.`,
      pods: 'keep',
    };
  return undefined;
}

function tenantGoesOn({ tenant }: GatheredService): Refusal | undefined {
  if (tenant === undefined || !isPaused(tenant)) return undefined;
  return failed(
    'TenantPaused',
    `The Tenant ${tenant.metadata.name} is paused by the platform team and its services are stopped. Ask them; to go on, they remove the annotation imageplane.dev/paused from the Tenant.`,
    'stop',
  );
}

function runsOnKubernetes({ service }: GatheredService): Refusal | undefined {
  if (service.spec.container?.localURL === undefined) return undefined;
  return failed(
    'LocalURLOnKubernetes',
    'spec.container.localURL names a process of one machine and is not honoured on Kubernetes. Write spec.container.image instead.',
    'stop',
  );
}

function modelExists({ service, model, knownModels }: GatheredService): Refusal | undefined {
  const { modelRef } = service.spec;
  if (modelRef === undefined || model !== undefined) return undefined;
  const { kind, name } = modelRef;
  const where = kind === 'ImageModel' ? ` in the namespace ${service.metadata.namespace}` : '';
  return failed(
    'ModelMissing',
    `There is no ${kind} ${name}${where}.${didYouMean(name, knownModels)} Make it, or correct spec.modelRef.`,
    'keep',
  );
}

function modelAllowed({ service, tenant, model }: GatheredService): Refusal | undefined {
  const allowed = tenant?.spec.models?.allowed;
  if (allowed === undefined || model === undefined || service.spec.modelRef?.kind === 'ImageModel')
    return undefined;
  const { name } = model.metadata;
  if (allowed.includes(name)) return undefined;
  const list = allowed.length === 0 ? 'none is' : `allowed are ${allowed.join(', ')}`;
  return failed(
    'ModelNotAllowed',
    `The tenant may not use the ClusterImageModel ${name}: ${list}. Name another model, or have the platform team add it to spec.models.allowed of the Tenant.`,
    'stop',
  );
}

function modelFits({ service, model }: GatheredService): Refusal | undefined {
  const { task } = service.spec;
  if (task === undefined || model === undefined || task === model.spec.task) return undefined;
  return failed(
    'TaskMismatch',
    `The model ${model.metadata.name} is for ${model.spec.task}, not for ${task}. Write task: ${model.spec.task}, leave task out, or name another model.`,
    'keep',
  );
}

function modelSupported({ model }: GatheredService): Refusal | undefined {
  if (model === undefined) return undefined;
  const { task, files, pipeline } = model.spec;
  if (task === 'background-removal' && files.length === 1 && pipeline !== undefined) return undefined;
  return failed(
    'ModelNotSupported',
    `This inference server runs background-removal models of one file, and ${model.metadata.name} is ${task} with ${files.length} ${files.length === 1 ? 'file' : 'files'}. Name another model, or serve it with engine: container.`,
    'keep',
  );
}

function licenceAcknowledged({ tenant, model }: GatheredService): Refusal | undefined {
  if (tenant === undefined || model?.spec.license.acknowledgementRequired !== true) return undefined;
  if (isAcknowledged(tenant, model)) return undefined;
  const { name } = model.metadata;
  return failed(
    'LicenceNotAcknowledged',
    `The terms of the model ${name} (${model.spec.license.spdx}) are not accepted yet. An administrator of the tenant accepts them in the console, or the platform team runs: kubectl annotate tenant ${tenant.metadata.name} ${acknowledgementOf(model)}=${modelDigest(model.spec.files)}`,
    'stop',
  );
}

/** What was accepted is this very model, by its digest: another of the same name has other terms. */
function isAcknowledged(tenant: Tenant, model: AnyModel): boolean {
  return tenant.metadata.annotations?.[acknowledgementOf(model)] === modelDigest(model.spec.files);
}

/** With a priority of the cluster itself, a service would drive everybody else's pods from their nodes. */
function priorityAllowed({ service }: GatheredService): Refusal | undefined {
  const name = service.spec.scheduling?.priorityClassName;
  if (name?.startsWith('system-') !== true) return undefined;
  return failed(
    'PriorityNotAllowed',
    `The PriorityClass ${name} is for the cluster itself. Write another in spec.scheduling.priorityClassName, or leave it out.`,
    'keep',
  );
}

function wallsStand({ tenant, missingWalls }: GatheredService): Refusal | undefined {
  if (missingWalls.length === 0) return undefined;
  return {
    state: 'progressing',
    reason: 'TenantNotReady',
    message: `The namespace is not ready for pods: ${missingWalls.join(', ')} is missing and is being made. If this stays, look at the conditions of the Tenant ${tenant?.metadata.name ?? ''}.`,
    pods: 'keep',
  };
}

function failed(reason: string, message: string, pods: Refusal['pods']): Refusal {
  return { state: 'failed', reason, message, pods };
}
