import type { V1ContainerStatus } from '@kubernetes/client-node';
import { type ModelFetchMessage, modelFetchMessage } from '../../contracts/model-fetch.ts';
import type { Verdict } from '../conditions.ts';
import type { Deployment, PlainCondition, Pod, ReplicaSet, Plain } from '../kinds.ts';
import type { GatheredService } from './gather.ts';
import { FETCH } from './names.ts';
import { gpuResource } from './resources.ts';

/** What pods say. Pods that are leaving, and those of former revisions, do not count. */
type Observed = Pick<GatheredService, 'service' | 'deployment' | 'replicaSets' | 'pods'>;
type Rule = (pod: Pod, observed: Observed) => Verdict | undefined;

const HASH = 'pod-template-hash';
const REVISION = 'deployment.kubernetes.io/revision';
const MAX_QUOTED = 400;

/**
 * Why new pods do not come up, as a reason and a next action; undefined while they may still do. Pure.
 */
export function failureOf(observed: Observed): Verdict | undefined {
  const refused = podsRefused(observed);
  if (refused !== undefined) return refused;
  const pods = currentPods(observed).filter((pod) => !isReady(pod));
  for (const rule of podRules)
    for (const pod of pods) {
      const verdict = rule(pod, observed);
      if (verdict !== undefined) return verdict;
    }
  return stuck(observed);
}

const podRules: readonly Rule[] = [modelFetch, image, configuration, memory, crash, evicted, unschedulable];

function currentPods({ replicaSets, pods, deployment }: Observed): Pod[] {
  const here = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const hash = newest(replicaSets, deployment)?.metadata.labels?.[HASH];
  const current = here.filter(({ metadata }) => metadata.labels?.[HASH] === hash);
  return hash === undefined ? here : current;
}

function newest(
  replicaSets: readonly ReplicaSet[],
  deployment: Deployment | undefined,
): ReplicaSet | undefined {
  const revision = ({ metadata }: ReplicaSet): number => Number(metadata.annotations?.[REVISION] ?? 0);
  return replicaSets
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === deployment?.metadata.uid))
    .toSorted((a, b) => revision(b) - revision(a))[0];
}

function isReady({ status }: Pod): boolean {
  return conditionOf(status?.conditions, 'Ready')?.status === 'True';
}

/** The API server took no pod at all. */
function podsRefused({ deployment, replicaSets }: Observed): Verdict | undefined {
  const all = [deployment?.status?.conditions, newest(replicaSets, deployment)?.status?.conditions];
  const condition = all
    .map((conditions) => conditionOf(conditions, 'ReplicaFailure'))
    .find((found) => found?.status === 'True');
  if (condition === undefined) return undefined;
  const message = condition.message ?? '';
  if (message.includes('exceeded quota'))
    return failed(
      'QuotaExceeded',
      `The tenant's quota has no room for another pod: ${quoted(message)}. Ask for less in spec.resources or spec.gpu, stop another service, or have the platform team raise spec.quota of the Tenant.`,
    );
  return failed(
    'PodRefused',
    `The API server refuses the service's pods: ${quoted(message)}. Correct what it names in the ImageService, or ask the platform team.`,
  );
}

const fetchAdvice: Record<ModelFetchMessage['reason'], [reason: string, advice: string]> = {
  DigestMismatch: [
    'ModelDigestMismatch',
    'The weights are not those that the model names, and were not loaded. Make a model whose files have the right sha256 and size, or restore its source.',
  ],
  NotFound: [
    'ModelFileMissing',
    'The model store cannot find the weights. Correct the source of the model, and see to it that the model store may read it.',
  ],
  NoSpace: [
    'ModelTooLarge',
    "There is no room for the weights. Free space on the node or in the model store's volume, or use a smaller model.",
  ],
  Unreachable: [
    'ModelStoreUnreachable',
    'The model store does not answer, and the pod tries again. If this stays, the platform team looks at the model store and at the source of the model.',
  ],
  Usage: [
    'ModelFetchFailed',
    'The operator and the inference image do not fit together: install one version of both.',
  ],
};

function modelFetch(pod: Pod): Verdict | undefined {
  const status = pod.status?.initContainerStatuses?.find(({ name }) => name === FETCH);
  const ended = status?.state?.terminated ?? status?.lastState?.terminated;
  if (ended === undefined || ended.exitCode === 0) return undefined;
  const parsed = modelFetchMessage.safeParse(jsonOf(ended.message));
  if (!parsed.success)
    return failed(
      'ModelFetchFailed',
      `The model could not be fetched (exit code ${ended.exitCode}): ${quoted(ended.message ?? '')}. See the log: kubectl logs -n ${pod.metadata.namespace ?? ''} ${pod.metadata.name} -c ${FETCH}`,
    );
  const { reason, message } = parsed.data;
  const [word, advice] = fetchAdvice[reason];
  return {
    state: reason === 'Unreachable' ? 'progressing' : 'failed',
    reason: word,
    message: `${advice} It said: ${quoted(message)}`,
  };
}

const imageReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
  'ImageInspectError',
]);

function image(pod: Pod): Verdict | undefined {
  const found = waitingFor(pod, (reason) => imageReasons.has(reason));
  if (found === undefined) return undefined;
  return failed(
    'ImageUnavailable',
    `The image ${found.status.image} cannot be had: ${quoted(found.message)}. Correct its name or tag, or have the platform team share the registry's credentials with the tenant.`,
  );
}

function configuration(pod: Pod): Verdict | undefined {
  const found = waitingFor(pod, (reason) =>
    ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError'].includes(reason),
  );
  if (found === undefined) return undefined;
  if (/runAsNonRoot|non-numeric user|run as root/.test(found.message))
    return failed(
      'ImageRunsAsRoot',
      `The image ${found.status.image} runs as root, or names its user by a word, and tenants' pods may not. Build it with a numeric USER, such as USER 1000.`,
    );
  return failed(
    'ContainerCannotStart',
    `The container cannot be started: ${quoted(found.message)}. Correct spec.container, or ask the platform team.`,
  );
}

function memory(pod: Pod): Verdict | undefined {
  const status = containersOf(pod).find(({ state, lastState }) =>
    [state?.terminated, lastState?.terminated].some((ended) => ended?.reason === 'OOMKilled'),
  );
  if (status === undefined) return undefined;
  return failed(
    'OutOfMemory',
    `The container ${status.name} was killed because it needed more memory than it may have. Raise spec.resources.limits.memory.`,
  );
}

function crash(pod: Pod): Verdict | undefined {
  const found = waitingFor(pod, (reason) => reason === 'CrashLoopBackOff');
  if (found === undefined) return undefined;
  const { status } = found;
  const ended = status.lastState?.terminated ?? status.state?.terminated;
  const said = ended?.message === undefined ? '' : ` It said at its end: ${quoted(ended.message)}`;
  return failed(
    'CrashLoop',
    `The container ${status.name} ends again and again, ${status.restartCount} times so far, last with exit code ${ended?.exitCode ?? 'unknown'}.${said} See its log: kubectl logs -n ${pod.metadata.namespace ?? ''} ${pod.metadata.name} -c ${status.name} --previous`,
  );
}

function evicted({ status }: Pod): Verdict | undefined {
  if (status?.phase !== 'Failed' || status.reason !== 'Evicted') return undefined;
  return failed(
    'Evicted',
    `A pod was evicted from its node: ${quoted(status.message ?? '')}. If it was for disk, raise spec.resources.limits.ephemeral-storage; else ask the platform team.`,
  );
}

function unschedulable({ status }: Pod, { service }: Observed): Verdict | undefined {
  const condition = conditionOf(status?.conditions, 'PodScheduled');
  if (condition?.status !== 'False' || condition.reason !== 'Unschedulable') return undefined;
  const message = condition.message ?? '';
  const { gpu } = service.spec;
  if (gpu !== undefined && message.includes(`Insufficient ${gpuResource(gpu)}`))
    return failed(
      'GPUUnavailable',
      `No node has ${gpu.count} ${gpuResource(gpu)} free: ${quoted(message)}. Stop another service with a GPU, ask for another resource in spec.gpu, or have the platform team add a node.`,
    );
  return failed(
    'Unschedulable',
    `No node takes the pod: ${quoted(message)}. Ask for less in spec.resources, correct spec.scheduling, or have the platform team add a node.`,
  );
}

function stuck({ deployment }: Observed): Verdict | undefined {
  const progress = conditionOf(deployment?.status?.conditions, 'Progressing');
  if (progress?.status !== 'False' || progress.reason !== 'ProgressDeadlineExceeded') return undefined;
  const { namespace = '', name = '' } = deployment?.metadata ?? {};
  return failed(
    'NotReadyInTime',
    `Pods run but do not become ready. A container must listen on port 7860; see its log: kubectl logs -n ${namespace} deployment/${name}`,
  );
}

interface Waiting {
  status: Plain<V1ContainerStatus>;
  message: string;
}

function waitingFor(pod: Pod, is: (reason: string) => boolean): Waiting | undefined {
  for (const status of [...(pod.status?.initContainerStatuses ?? []), ...containersOf(pod)]) {
    const { reason = '', message = '' } = status.state?.waiting ?? {};
    if (is(reason)) return { status, message: message === '' ? reason : message };
  }
  return undefined;
}

function containersOf({ status }: Pod): Plain<V1ContainerStatus>[] {
  return status?.containerStatuses ?? [];
}

function conditionOf(
  conditions: readonly PlainCondition[] | undefined,
  type: string,
): PlainCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

/** Somebody else's words, in one line and bounded. */
function quoted(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= MAX_QUOTED ? line : `${line.slice(0, MAX_QUOTED)}…`;
}

function failed(reason: string, message: string): Verdict {
  return { state: 'failed', reason, message };
}
