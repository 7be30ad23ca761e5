import type { Child } from '../children/child.ts';
import { configMap } from './config-map.ts';
import { deployment } from './deployment.ts';
import { disruptionBudget } from './disruption-budget.ts';
import { networkPolicy } from './network-policy.ts';
import { serviceAccount } from './service-account.ts';
import { service } from './service.ts';
import type { Target } from './target.ts';

/** Everything that a service consists of: what pods need stands before the pods. */
export function serviceChildren(target: Target): Child[] {
  const { model } = target;
  return [
    ...serviceWalls(target),
    ...(model === undefined ? [] : [configMap(target, model)]),
    deployment(target),
  ];
}

/** What surrounds the pods and depends on no model: it is kept right also while the pods may not change. */
export function serviceWalls(target: Target): Child[] {
  return [serviceAccount(target), networkPolicy(target), service(target), disruptionBudget(target)];
}
