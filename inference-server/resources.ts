import { availableParallelism, totalmem } from 'node:os';
import type { InferenceServerConfig } from './config.ts';
import { cpuQuota } from './cpu-quota.ts';

const MIB = 2 ** 20;
const SHARE_FOR_MODELS = 0.8;

/** Threads of one model: those that always run share the cores between them. */
export function threadsPerModel(config: Pick<InferenceServerConfig, 'threads' | 'models'>): number {
  const threads = config.threads === 0 ? usableCores() : config.threads;
  const always = config.models.filter(({ load }) => load === 'always').length;
  return Math.max(1, Math.floor(threads / Math.max(1, always)));
}

/** Of the affinity mask, and no more than the quota of the control group gives, rounded down but to one at least. */
export function usableCores(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(cpuQuota() ?? Infinity)));
}

/** Bytes that all model processes together may hold. */
export function memoryBudget({ memory }: Pick<InferenceServerConfig, 'memory'>): number {
  if (memory.budgetMiB > 0) return memory.budgetMiB * MIB;
  // Without a limit the control group says 0, or more than there is.
  const limit = process.constrainedMemory();
  const all = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return Math.floor(all * SHARE_FOR_MODELS);
}
