import { type Child, childOf } from '../children/child.ts';
import type { Tenant } from '../kinds.ts';
import type { KubernetesObject } from '../runtime/types.ts';
import { LIMITS, namespaceOf, tenantLabels } from './names.ts';

interface LimitRange extends KubernetesObject {
  spec: {
    limits: { type: 'Container'; default: Record<string, string>; defaultRequest: Record<string, string> }[];
  };
}

/**
 * What a container gets that asks for nothing, which a quota would refuse otherwise. Containers of services say what
 * they need, so this is for what the platform adds.
 */
export function limitRange(tenant: Tenant): Child<LimitRange> {
  return childOf({ kind: 'tenants', object: tenant }, 'limitRanges', {
    metadata: { name: LIMITS, namespace: namespaceOf(tenant), labels: tenantLabels(tenant) },
    spec: {
      limits: [
        {
          type: 'Container',
          // No limit of CPU, which would be below what a service asks for.
          default: { memory: '512Mi', 'ephemeral-storage': '1Gi' },
          defaultRequest: { cpu: '100m', memory: '256Mi', 'ephemeral-storage': '256Mi' },
        },
      ],
    },
  });
}
