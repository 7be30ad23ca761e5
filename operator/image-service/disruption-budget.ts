import type { V1PodDisruptionBudgetSpec } from '@kubernetes/client-node';
import type { Plain } from '../kinds.ts';
import { type Child, childOf } from '../children/child.ts';
import type { KubernetesObject } from '../runtime/types.ts';
import { podSelector } from './names.ts';
import { childMetadata, type Target } from './target.ts';

interface PodDisruptionBudget extends KubernetesObject {
  spec: Plain<V1PodDisruptionBudgetSpec>;
}

/** A drain takes one pod at a time, also the only one: a budget that forbade it would block the drain for good. */
export function disruptionBudget(target: Target): Child<PodDisruptionBudget> {
  return childOf<PodDisruptionBudget>(
    { kind: 'imageServices', object: target.service },
    'podDisruptionBudgets',
    {
      metadata: childMetadata(target),
      spec: {
        maxUnavailable: 1,
        selector: { matchLabels: podSelector(target.service, target.tenant) },
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
      },
    },
  );
}
