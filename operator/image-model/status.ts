import type { ImageModelStatus } from '../../crds/generated.ts';
import { modelDigest } from '../../crds/model-digest.ts';
import { conditionsOf, type Verdict } from '../conditions.ts';
import { type GatheredModel, serviceName } from './gather.ts';

const NAMED = 5;

export function modelStatus(gathered: GatheredModel, now: () => Date): ImageModelStatus {
  const { model, services } = gathered;
  const generation = model.metadata.generation ?? 0;
  return {
    observedGeneration: generation,
    digest: modelDigest(model.spec.files),
    services: services.length,
    conditions: conditionsOf(modelVerdict(gathered), generation, model.status?.conditions, now),
  };
}

export function modelVerdict({ model, services, placed }: GatheredModel): Verdict {
  const { metadata, spec } = model;
  if (metadata.deletionTimestamp !== undefined)
    return {
      state: 'progressing',
      works: true,
      reason: 'InUse',
      message: `Deletion waits until no service uses the model. ${usedBy(services)} Delete them, or name another model in them.`,
    };
  if (!placed)
    return {
      state: 'failed',
      reason: 'TenantMissing',
      message: `The namespace ${metadata.namespace ?? ''} belongs to no Tenant. Move the model to a tenant's namespace.`,
    };
  const { spdx, commercialUse, acknowledgementRequired } = spec.license;
  const terms = [
    `Licence ${spdx}${commercialUse ? '' : ', not for commercial use'}.`,
    ...(acknowledgementRequired ? ['An administrator of each tenant must accept its terms.'] : []),
  ];
  return { state: 'ready', reason: 'Declared', message: [...terms, usedBy(services)].join(' ') };
}

function usedBy(services: GatheredModel['services']): string {
  if (services.length === 0) return 'No service uses it.';
  const more = services.length > NAMED ? ` and ${services.length - NAMED} more` : '';
  return `Used by ${services.slice(0, NAMED).map(serviceName).join(', ')}${more}.`;
}
