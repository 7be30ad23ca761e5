import { DMZ_CALLERS, labels, METRICS_PORT, SERVICE_PORT } from '../../contracts/workload.ts';
import { type Child, childOf } from '../children/child.ts';
import type { OperatorConfig } from '../config.ts';
import type { NetworkPolicy, PolicyPeer } from '../kinds.ts';
import { podSelector } from './names.ts';
import { childMetadata, type Target } from './target.ts';

const NAMESPACE_NAME = 'kubernetes.io/metadata.name';

/** Gateway and dispatcher: both the namespace and the pod must say so, and neither label is a tenant's to write. */
function dmzCallers({ dmzNamespace }: OperatorConfig): PolicyPeer {
  return {
    namespaceSelector: { matchLabels: { [NAMESPACE_NAME]: dmzNamespace, [labels.zone]: 'dmz' } },
    podSelector: {
      matchExpressions: [{ key: labels.name, operator: 'In', values: [...DMZ_CALLERS] }],
    },
  };
}

/**
 * What may reach the service's pods, and what they may reach, besides the default of nothing. A container gets neither
 * model store nor usage intake: it has no use for them.
 */
export function networkPolicy(target: Target): Child<NetworkPolicy> {
  const { service, tenant, config } = target;
  const onnx = service.spec.engine === 'onnx';
  return childOf<NetworkPolicy>({ kind: 'imageServices', object: service }, 'networkPolicies', {
    metadata: childMetadata(target),
    spec: {
      podSelector: { matchLabels: podSelector(service, tenant) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [dmzCallers(config)], ports: [{ protocol: 'TCP', port: SERVICE_PORT }] },
        ...(onnx && config.metricsFrom.length > 0
          ? [{ from: config.metricsFrom, ports: [{ protocol: 'TCP' as const, port: METRICS_PORT }] }]
          : []),
      ],
      egress: [
        {
          to: config.dns,
          ports: [
            { protocol: 'UDP', port: 53 },
            { protocol: 'TCP', port: 53 },
          ],
        },
        ...(onnx ? [toSystem(config, config.modelStore), toSystem(config, config.usageIntake)] : []),
        ...toAddresses(target),
      ],
    },
  });
}

function toSystem(
  { systemNamespace }: OperatorConfig,
  { podLabels, port }: OperatorConfig['modelStore'],
): NetworkPolicy['spec']['egress'][number] {
  return {
    to: [
      {
        namespaceSelector: { matchLabels: { [NAMESPACE_NAME]: systemNamespace } },
        podSelector: { matchLabels: podLabels },
      },
    ],
    ports: [{ protocol: 'TCP', port }],
  };
}

function toAddresses({ tenant }: Target): NetworkPolicy['spec']['egress'] {
  const blocks = tenant.spec.network?.egressCIDRs ?? [];
  return blocks.length === 0 ? [] : [{ to: blocks.map((cidr) => ({ ipBlock: { cidr } })) }];
}
