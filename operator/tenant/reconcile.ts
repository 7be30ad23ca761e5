import { FINALIZER } from '../../contracts/workload.ts';
import { applyChildren, type ChildFailure, deleteChild, throwFirst } from '../children/apply.ts';
import { digestOf } from '../children/child.ts';
import type { Verdict } from '../conditions.ts';
import type { OperatorConfig } from '../config.ts';
import { kinds, type Tenant } from '../kinds.ts';
import { createPacer } from '../pacer.ts';
import type { ControllerDependencies } from '../dependencies.ts';
import { addFinalizer, type OwnObject, removeFinalizer, writeStatus } from '../own-object.ts';
import type { Reconcile } from '../runtime/types.ts';
import { tenantChildren } from './children.ts';
import { deletionStep } from './deletion.ts';
import { gatherTenant, type GatheredTenant } from './gather.ts';
import { FIELD_MANAGER, namespaceOf } from './names.ts';
import { holdingOf, namespaceChild } from './namespace.ts';
import { namespaceProblem, type OwnTenantStatus, tenantStatus, tenantVerdict } from './status.ts';

/** Between two counts of what is in use. */
const PACE_MS = 2_000;
const OTHERS_STATUS = ['usage'];

/** Makes a tenant's namespace and what stands in it as the Tenant says. */
export function createTenantReconcile(dependencies: ControllerDependencies): Reconcile {
  const { client, applier, stores, events, config, now } = dependencies;
  const pacer = createPacer(PACE_MS, now);
  return async (key, { signal }) => {
    const tenant = stores.tenants.get(key);
    if (tenant === undefined) return undefined;
    const own: OwnObject = {
      ...{ client, applier, stores, events, signal },
      kind: 'tenants',
      object: tenant,
      fieldManager: FIELD_MANAGER,
    };
    const gathered = gatherTenant(tenant, stores, config);
    if (tenant.metadata.deletionTimestamp !== undefined) {
      await finalize(gathered, own, now);
      return undefined;
    }
    await addFinalizer(own);
    const problem = namespaceProblem(gathered, config);
    const failures = problem === undefined ? await provision(gathered, own, config) : [];
    const verdict = problem ?? tenantVerdict(gathered, failures, config);
    // The namespace is there now, though it was not when everything was gathered.
    const namespace = stores.namespaces.get({ name: namespaceOf(tenant) });
    const status = tenantStatus({ ...gathered, namespace }, verdict, now);
    const waitMs = onlyCounts(tenant, status) ? pacer.turn(tenant.metadata.uid ?? '') : 0;
    if (waitMs === 0) await writeStatus(own, status, OTHERS_STATUS);
    throwFirst(failures);
    return waitMs === 0 ? undefined : { requeueAfterMs: waitMs };
  };
}

/** Whether how much of the quota is in use differs, and nothing else. */
function onlyCounts({ status: current }: Tenant, status: OwnTenantStatus): boolean {
  const told = (of: Tenant['status'] | OwnTenantStatus): string =>
    digestOf([of?.observedGeneration, of?.namespace, of?.conditions]);
  return told(current) === told(status) && digestOf(current?.quota) !== digestOf(status.quota);
}

async function provision(
  gathered: GatheredTenant,
  { client, applier, stores, object: owner, signal }: OwnObject,
  config: OperatorConfig,
): Promise<ChildFailure[]> {
  const { tenant, namespace, owned } = gathered;
  const holding = holdingOf(tenant, namespace);
  const child = namespaceChild(tenant, holding);
  const context = { client, applier, stores, owner, signal };
  // Created, not applied: one that came in between is somebody else's and must not be taken.
  if (holding === 'none')
    stores.namespaces.observe(await client.create(kinds.namespaces, child.object, { signal }));
  else {
    const failures = await applyChildren([child], [], context);
    if (failures.length > 0) return failures;
  }
  return applyChildren(tenantChildren(gathered, config), owned, context);
}

async function finalize(gathered: GatheredTenant, own: OwnObject, now: () => Date): Promise<void> {
  if (gathered.tenant.metadata.finalizers?.includes(FINALIZER) !== true) return;
  const { remove, waitsFor } = deletionStep(gathered);
  if (waitsFor === undefined) {
    await removeFinalizer(own);
    return;
  }
  const verdict: Verdict = {
    state: 'progressing',
    reason: 'Deleting',
    message: `Deletion waits for ${waitsFor}.`,
  };
  await writeStatus(own, tenantStatus(gathered, verdict, now), OTHERS_STATUS);
  for (const child of remove) await deleteChild(child, own);
}
