import { modelDigest } from '../../crds/model-digest.ts';
import type { ImageServiceStatus } from '../../crds/generated.ts';
import type { ChildFailure } from '../children/apply.ts';
import { conditionsOf, failureVerdict, type Verdict } from '../conditions.ts';
import type { Refusal } from './checks.ts';
import type { Deployment } from '../kinds.ts';
import { replicasOf } from './deployment.ts';
import { failureOf } from './failure.ts';
import type { GatheredService } from './gather.ts';
import { podSelector } from './names.ts';

export function serviceStatus(
  gathered: GatheredService,
  verdict: Verdict,
  now: () => Date,
): ImageServiceStatus {
  const { service, tenant, model, deployment, config } = gathered;
  const generation = service.metadata.generation ?? 0;
  const { replicas = 0, readyReplicas = 0 } = deployment?.status ?? {};
  const path = tenant === undefined ? undefined : `/s/${tenant.metadata.name}/${service.metadata.name}`;
  return {
    observedGeneration: generation,
    ...(path === undefined ? {} : { url: `${(config.publicUrl ?? '').replace(/\/+$/, '')}${path}` }),
    ...(model === undefined ? {} : { modelDigest: modelDigest(model.spec.files) }),
    replicas,
    readyReplicas,
    ...(tenant === undefined ? {} : { selector: selectorText(podSelector(service, tenant)) }),
    conditions: conditionsOf(verdict, generation, service.status?.conditions, now),
  };
}

/** How it stands after everything was tried: what forbids it, what failed, what pods say, how far they are. */
export function serviceVerdict(
  gathered: GatheredService,
  refusal: Refusal | undefined,
  failures: readonly ChildFailure[],
): Verdict {
  const works = (gathered.deployment?.status?.readyReplicas ?? 0) > 0;
  if (refusal !== undefined) {
    const { state, reason, message, pods } = refusal;
    return { state, reason, message, works: works && pods === 'keep' };
  }
  const [failure] = failures;
  if (failure !== undefined) return { ...failureVerdict(failure, failures.length), works };
  const rollout = rolloutOf(gathered);
  if (rollout.state === 'ready') return rollout;
  const found = failureOf(gathered);
  if (found === undefined) return { ...rollout, works };
  const former = works ? ` ${gathered.deployment?.status?.readyReplicas ?? 0} pods answer meanwhile.` : '';
  return { ...found, message: found.message + former, works };
}

function rolloutOf(gathered: GatheredService): Verdict {
  const { deployment, service } = gathered;
  const { readyReplicas = 0, updatedReplicas = 0 } = deployment?.status ?? {};
  const wanted = replicasOf({ service }) ?? deployment?.spec.replicas ?? 1;
  if (isComplete(deployment, wanted))
    return wanted === 0
      ? {
          state: 'ready',
          reason: 'Stopped',
          message: 'The service is stopped, as spec.replicas: 0 says. Write 1 or more to start it.',
        }
      : {
          state: 'ready',
          reason: 'Serving',
          message: `${readyReplicas} of ${wanted} pods answer.${canaryNote(gathered)}`,
        };
  return {
    state: 'progressing',
    reason: readyReplicas === 0 ? 'Starting' : 'RollingOut',
    message: `${readyReplicas} of ${wanted} pods answer, ${Math.min(updatedReplicas, wanted)} pods are as declared now. Nothing needs to be done.`,
  };
}

/** Whether exactly the pods that are wanted are there, all of the newest kind, and available. */
function isComplete(deployment: Deployment | undefined, wanted: number): boolean {
  if (deployment?.spec.replicas !== wanted) return false;
  const { metadata, status = {} } = deployment;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 1)) return false;
  const counts = [status.replicas, status.updatedReplicas, status.availableReplicas];
  return counts.every((count) => (count ?? 0) === wanted);
}

/** What is declared and not done yet is said. */
function canaryNote({ service }: GatheredService): string {
  return service.spec.canary === undefined ? '' : ' spec.canary is not served by this version.';
}

function selectorText(selector: Record<string, string>): string {
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(',');
}
