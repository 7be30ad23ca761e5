import { FINALIZER } from '../../contracts/workload.ts';
import { applyChildren, type ChildFailure, deleteChild, throwFirst } from '../children/apply.ts';
import type { Verdict } from '../conditions.ts';
import type { OperatorConfig } from '../config.ts';
import { kinds } from '../kinds.ts';
import type { ControllerDependencies } from '../dependencies.ts';
import { addFinalizer, type OwnObject, removeFinalizer, writeStatus } from '../own-object.ts';
import type { Reconcile } from '../runtime/types.ts';
import { tenantChildren } from './children.ts';
import { deletionStep } from './deletion.ts';
import { gatherTenant, type GatheredTenant } from './gather.ts';
import { FIELD_MANAGER } from './names.ts';
import { holdingOf, namespaceChild } from './namespace.ts';
import { namespaceProblem, tenantStatus, tenantVerdict } from './status.ts';

const OTHERS_STATUS = ['usage'];

/** Makes a tenant's namespace and what stands in it as the Tenant says. */
export function createTenantReconcile(dependencies: ControllerDependencies): Reconcile {
  const { client, applier, stores, events, config, now } = dependencies;
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
    await writeStatus(own, tenantStatus(gathered, verdict, now), OTHERS_STATUS);
    throwFirst(failures);
    return undefined;
  };
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
