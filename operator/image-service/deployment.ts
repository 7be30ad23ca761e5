import type { V1DeploymentStrategy, V1PodTemplateSpec } from '@kubernetes/client-node';
import { childName } from '../../contracts/workload.ts';
import { type Child, childOf, digestOf } from '../children/child.ts';
import type { Deployment, Plain } from '../kinds.ts';
import { secretCopyName } from '../tenant/names.ts';
import { containerPod } from './container-pod.ts';
import { inferenceConfig } from './inference-config.ts';
import { podSelector, serviceLabels } from './names.ts';
import { ONNX_USER, onnxPod } from './onnx-pod.ts';
import { podSecurity } from './pod-security.ts';
import { childMetadata, type Target } from './target.ts';

/** A change of it starts new pods. */
const CONFIG_DIGEST = 'imageplane.dev/config-digest';
const MOMENT_SECONDS = 20;

/** The pods of a service. With autoscaling there is no `replicas`: whoever scales owns that field. */
export function deployment(target: Target): Child<Deployment> {
  const { service, tenant } = target;
  const replicas = replicasOf(target);
  return childOf<Deployment>({ kind: 'imageServices', object: service }, 'deployments', {
    metadata: childMetadata(target),
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      revisionHistoryLimit: 2,
      progressDeadlineSeconds: 900,
      strategy: strategy(target),
      selector: { matchLabels: podSelector(service, tenant) },
      template: template(target),
    },
  });
}

/** Pods that are wanted; undefined while something else decides. */
export function replicasOf({ service }: Pick<Target, 'service'>): number | undefined {
  const { replicas, autoscaling } = service.spec;
  return autoscaling === undefined ? (replicas ?? 1) : undefined;
}

/** A spare GPU is seldom there: with one, an old pod leaves before a new one starts. */
function strategy({ service }: Target): Plain<V1DeploymentStrategy> {
  return {
    type: 'RollingUpdate',
    rollingUpdate:
      service.spec.gpu === undefined
        ? { maxSurge: 1, maxUnavailable: 0 }
        : { maxSurge: 0, maxUnavailable: 1 },
  };
}

function template(target: Target): Plain<V1PodTemplateSpec> {
  const { service, tenant, model, config } = target;
  const { scheduling = {}, queue } = service.spec;
  const { nodeSelector, tolerations, priorityClassName } = scheduling;
  const onnx = model !== undefined;
  return {
    metadata: {
      labels: serviceLabels(service, tenant),
      annotations: onnx ? { [CONFIG_DIGEST]: digestOf(inferenceConfig(target, model)) } : {},
    },
    spec: {
      ...(onnx ? onnxPod(target) : containerPod(target)),
      serviceAccountName: childName(service.metadata.name),
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      securityContext: podSecurity(onnx ? ONNX_USER : undefined),
      imagePullSecrets: config.sharedSecrets
        .filter(({ use }) => use === 'registry')
        .map(({ name }) => ({ name: secretCopyName(name) })),
      terminationGracePeriodSeconds: queue.deadlineSeconds + MOMENT_SECONDS,
      ...(nodeSelector === undefined ? {} : { nodeSelector }),
      ...(tolerations === undefined ? {} : { tolerations }),
      ...(priorityClassName === undefined ? {} : { priorityClassName }),
    },
  };
}
