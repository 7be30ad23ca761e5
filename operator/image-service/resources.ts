import type { V1ResourceRequirements } from '@kubernetes/client-node';
import type { Plain } from '../kinds.ts';
import { parseQuantity } from '../../crds/quantity.ts';
import type { Target } from './target.ts';

const MEBIBYTE = 1_048_576;
/** Results under way and usage not yet delivered. */
export const TEMPORARY_MEBIBYTES = 1024;
export const OUTBOX_MEBIBYTES = 320;

/** Extended resource of a service's GPUs. */
export function gpuResource(gpu: NonNullable<Target['service']['spec']['gpu']>): string {
  return gpu.profile === undefined ? (gpu.resourceName ?? 'nvidia.com/gpu') : `nvidia.com/mig-${gpu.profile}`;
}

/** Mebibytes that the model's files take. */
export function modelMebibytes({ model }: Pick<Target, 'model'>): number {
  const bytes = (model?.spec.files ?? []).reduce((sum, { size }) => sum + size, 0);
  return Math.ceil(bytes / MEBIBYTE);
}

/**
 * What a replica asks for: the service's word, else the model's, else the operator's. Every request that a quota may
 * bound is named. Memory is bounded by what is asked for unless the service says more.
 */
export function containerResources(target: Target): Plain<V1ResourceRequirements> {
  const { service, model, config } = target;
  const { requests = {}, limits = {} } = service.spec.resources ?? {};
  const disk = modelMebibytes(target) + TEMPORARY_MEBIBYTES + OUTBOX_MEBIBYTES;
  const wanted = {
    cpu: pick(requests['cpu'], limits['cpu'], model?.spec.resources?.cpu, config.defaultResources.cpu),
    memory: pick(
      requests['memory'],
      limits['memory'],
      model?.spec.resources?.memory,
      config.defaultResources.memory,
    ),
    'ephemeral-storage': pick(requests['ephemeral-storage'], limits['ephemeral-storage'], `${disk}Mi`),
  };
  const bounded = {
    ...(limits['cpu'] === undefined ? {} : { cpu: String(limits['cpu']) }),
    memory: pick(limits['memory'], wanted.memory),
    'ephemeral-storage': pick(limits['ephemeral-storage'], larger(wanted['ephemeral-storage'], `${disk}Mi`)),
  };
  const { gpu } = service.spec;
  const gpus = gpu === undefined ? {} : { [gpuResource(gpu)]: String(gpu.count) };
  return { requests: { ...wanted, ...gpus }, limits: { ...bounded, ...gpus } };
}

function pick(...values: (string | number | undefined)[]): string {
  return String(values.find((value) => value !== undefined) ?? '0');
}

function larger(a: string, b: string): string {
  return parseQuantity(a) >= parseQuantity(b) ? a : b;
}
