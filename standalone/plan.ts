import { executionProvider, tenantNamespace, tenantOfNamespace } from '../crds/effective.ts';
import type { Objects } from '../crds/load.ts';
import type { ImageModel, ClusterImageModel, ImageService, ModelRef, Tenant } from '../crds/generated.ts';
import type { InferenceServerConfig } from '../inference-server/config.ts';

export interface PlannedModel {
  name: string;
  spec: ClusterImageModel['spec'];
}

/** A service that a process of ours answers for. */
export interface PlannedInference {
  /** `{tenant}/{service}` */
  id: string;
  tenant: string;
  service: string;
  /** Of its process: configuration, log, messages. */
  processName: string;
  model: PlannedModel;
  settings: Pick<InferenceServerConfig, 'executionProvider' | 'queue' | 'limits'>;
}

export interface Plan {
  tenants: string[];
  inference: PlannedInference[];
  /** Each once, in the order of need. */
  models: PlannedModel[];
  /** Services that a process of somebody else's answers for: base URL by `{tenant}/{service}`. */
  external: Record<string, string>;
  /** Services that nothing answers for here, and why, in sentences. */
  notices: string[];
}

/** Says what to run for these objects. Pure. */
export function planOf(objects: Objects): Plan {
  const plan: Plan = {
    tenants: objects.tenants.map(({ metadata }) => metadata.name),
    inference: [],
    models: [],
    external: {},
    notices: [],
  };
  for (const service of objects.imageServices) {
    const tenant = tenantOfNamespace(service.metadata.namespace, objects.tenants);
    if (tenant !== undefined) planService(plan, service, tenant, objects);
  }
  return plan;
}

function planService(plan: Plan, service: ImageService, tenant: Tenant, objects: Objects): void {
  const id = `${tenant.metadata.name}/${service.metadata.name}`;
  const { engine, container, replicas, modelRef } = service.spec;
  if (replicas === 0) plan.notices.push(`${id} has replicas: 0 and is not started.`);
  else if (engine === 'container') {
    if (container?.localURL === undefined)
      plan.notices.push(
        `${id} is a container: without Kubernetes, start it yourself and name its address in spec.container.localURL.`,
      );
    else plan.external[id] = container.localURL;
  } else {
    const model = modelRef === undefined ? undefined : findModel(modelRef, tenant, objects);
    if (model === undefined) plan.notices.push(`${id} names no model that was read.`);
    else if (model.spec.license.acknowledgementRequired)
      plan.notices.push(
        `${id} is not started: the terms of ${model.name} must be accepted by an administrator first, which is not ` +
          'possible on one machine yet.',
      );
    else planInference(plan, service, tenant, model);
  }
}

function planInference(plan: Plan, service: ImageService, tenant: Tenant, found: PlannedModel): void {
  const id = `${tenant.metadata.name}/${service.metadata.name}`;
  const { task, pipeline, files } = found.spec;
  const served = (task === 'background-removal' && pipeline !== undefined) || task === 'tensor-inference';
  // A graph of several files finds the others by their names, which the store does not keep.
  if (!served || files.length !== 1) {
    plan.notices.push(
      `${id} is not started: the inference server runs models of one file for background-removal and ` +
        `tensor-inference, and ${found.name} is ${task} with ${files.length} ${files.length === 1 ? 'file' : 'files'}.`,
    );
    return;
  }
  const model = plan.models.find(({ spec }) => spec === found.spec) ?? found;
  if (!plan.models.includes(model)) plan.models.push(model);
  plan.inference.push({
    id,
    tenant: tenant.metadata.name,
    service: service.metadata.name,
    processName: `inference.${tenant.metadata.name}.${service.metadata.name}`,
    model,
    settings: {
      executionProvider: executionProvider(service),
      queue: { depth: service.spec.queue.depth, deadlineSeconds: service.spec.queue.deadlineSeconds },
      limits: {
        maxBodyBytes: service.spec.maxBodyMegabytes * 1_048_576,
        maxPixels: tenant.spec.limits.megapixelsPerRequest * 1_000_000,
      },
    },
  });
}

function findModel(ref: ModelRef, tenant: Tenant, objects: Objects): PlannedModel | undefined {
  const candidates: (ImageModel | ClusterImageModel)[] =
    ref.kind === 'ClusterImageModel'
      ? objects.clusterImageModels
      : objects.imageModels.filter(({ metadata }) => metadata.namespace === tenantNamespace(tenant));
  const model = candidates.find(({ metadata }) => metadata.name === ref.name);
  return model === undefined ? undefined : { name: model.metadata.name, spec: model.spec };
}

/** What people must be told about a model before it is fetched. */
export function licenceLines({ name, spec }: PlannedModel): string[] {
  const { spdx, commercialUse, source, notice } = spec.license;
  return [
    `Model ${name}: licence ${spdx}${commercialUse ? '' : ', NOT for commercial use'}. ${source}`,
    ...(notice === undefined ? [] : [notice]),
  ];
}
