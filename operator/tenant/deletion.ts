import { labels } from '../../contracts/workload.ts';
import type { Child } from '../children/child.ts';
import type { GatheredTenant } from './gather.ts';
import { holdingOf } from './namespace.ts';

/** The next thing to do on the way to nothing being left, and what it waits for, as a sentence. */
export interface DeletionStep {
  remove: Child[];
  /** Absent when nothing is left. */
  waitsFor?: string;
}

/**
 * Services go first, and their pods with them, while policies and quota still stand; then what is ours in the
 * namespace; then the namespace, when it is ours. An adopted one stays, with what others put there.
 */
export function deletionStep(gathered: GatheredTenant): DeletionStep {
  const { tenant, namespace, services, owned } = gathered;
  const holding = holdingOf(tenant, namespace);
  if (holding === 'none' || holding === 'refused') return { remove: [] };
  const name = namespace?.metadata.name ?? '';
  if (services.length > 0)
    return {
      remove: services
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map((object) => ({ kind: 'imageServices', object })),
      waitsFor: `${services.length} ImageServices of ${name} to go`,
    };
  const workloads = workloadsOf(gathered);
  if (workloads > 0) return { remove: [], waitsFor: `${workloads} workloads of ${name} to end` };
  if (holding === 'leaving') return { remove: [], waitsFor: `the namespace ${name} to go` };
  if (holding === 'own' && namespace !== undefined)
    return { remove: [{ kind: 'namespaces', object: namespace }], waitsFor: `the namespace ${name} to go` };
  return owned.length === 0
    ? { remove: [] }
    : { remove: owned, waitsFor: `${owned.length} objects of ${name} to go` };
}

function workloadsOf({ tenant, deployments, pods }: GatheredTenant): number {
  const ours = ({ metadata }: { metadata: { labels?: Record<string, string> } }): boolean =>
    metadata.labels?.[labels.tenant] === tenant.metadata.name;
  return deployments.filter(ours).length + pods.filter(ours).length;
}
