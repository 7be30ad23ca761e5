import { FINALIZER } from '../../contracts/workload.ts';
import { applyChildren, type ChildFailure, deleteChild, throwFirst } from '../children/apply.ts';
import type { Verdict } from '../conditions.ts';
import type { ControllerDependencies } from '../dependencies.ts';
import { addFinalizer, type OwnObject, removeFinalizer, writeStatus } from '../own-object.ts';
import type { Reconcile } from '../runtime/types.ts';
import { type Refusal, refusalOf } from './checks.ts';
import { serviceChildren, serviceWalls } from './children.ts';
import { gatherService, type GatheredService } from './gather.ts';
import { FIELD_MANAGER } from './names.ts';
import { serviceStatus, serviceVerdict } from './status.ts';

/** Makes a service's pods and what stands around them as the ImageService says. */
export function createServiceReconcile(dependencies: ControllerDependencies): Reconcile {
  const { client, applier, stores, events, config, now } = dependencies;
  return async (key, { signal }) => {
    const { namespace, name } = key;
    const service = namespace === undefined ? undefined : stores.imageServices.get({ namespace, name });
    if (service === undefined) return undefined;
    const own: OwnObject = {
      ...{ client, applier, stores, events, signal },
      kind: 'imageServices',
      object: service,
      fieldManager: FIELD_MANAGER,
    };
    const gathered = gatherService(service, stores, config);
    if (service.metadata.deletionTimestamp !== undefined) {
      await finalize(gathered, own, now);
      return undefined;
    }
    const refusal = refusalOf(gathered);
    await addFinalizer(own);
    const failures = await applyAll(gathered, refusal, own);
    const verdict = serviceVerdict(gathered, refusal, failures);
    await writeStatus(own, serviceStatus(gathered, verdict, now));
    throwFirst(failures);
    return undefined;
  };
}

async function applyAll(
  gathered: GatheredService,
  refusal: Refusal | undefined,
  { client, applier, stores, object: owner, signal }: OwnObject,
): Promise<ChildFailure[]> {
  const { service, tenant, model, deployment, owned, config } = gathered;
  const context = { client, applier, stores, owner, signal };
  if (refusal?.pods === 'stop')
    return applyChildren(
      [],
      owned.filter(({ kind }) => kind === 'deployments'),
      context,
    );
  if (tenant === undefined) return [];
  const target = { service, tenant, model, config };
  if (refusal === undefined) return applyChildren(serviceChildren(target), owned, context);
  // What runs goes on, behind walls that are put back when somebody changes them.
  return deployment === undefined ? [] : applyChildren(serviceWalls(target), [], context);
}

/** Pods go first, while the policy lets them deliver their last usage; then the rest. */
async function finalize(gathered: GatheredService, own: OwnObject, now: () => Date): Promise<void> {
  const { service, owned, pods } = gathered;
  if (service.metadata.finalizers?.includes(FINALIZER) !== true) return;
  const workloads = owned.filter(({ kind }) => kind === 'deployments');
  const waiting = workloads.length > 0 || pods.length > 0;
  if (waiting) {
    const verdict: Verdict = {
      state: 'progressing',
      reason: 'Deleting',
      message: `Deletion waits for ${pods.length} pods to end.`,
    };
    await writeStatus(own, serviceStatus(gathered, verdict, now));
  }
  for (const child of waiting ? workloads : owned) await deleteChild(child, own);
  if (!waiting) await removeFinalizer(own);
}
