import { digestOf } from '../children/child.ts';
import type { ControllerDependencies } from '../dependencies.ts';
import type { AnyModel } from '../kinds.ts';
import { addFinalizer, type OwnObject, removeFinalizer, writeStatus } from '../own-object.ts';
import { createPacer } from '../pacer.ts';
import type { ObjectKey, Reconcile } from '../runtime/types.ts';
import { gatherModel } from './gather.ts';
import { modelStatus } from './status.ts';

export const FIELD_MANAGER = 'imageplane-image-model';

/** Between two looks at who uses a model. */
const PACE_MS = 2_000;

/**
 * Says of a model what it is and who uses it. While somebody does it carries a finalizer: a deleted model would take
 * from the pods of a running service the means to start again. Who is in the way stands in the status.
 */
export function createModelReconcile(
  { client, applier, stores, events, now }: ControllerDependencies,
  kind: 'imageModels' | 'clusterImageModels',
): Reconcile {
  const pacer = createPacer(PACE_MS, now);
  return async (key, { signal }) => {
    const model: AnyModel | undefined = modelOf(key);
    if (model === undefined) return undefined;
    const own: OwnObject = {
      ...{ client, applier, stores, events, signal },
      ...{ kind, object: model, fieldManager: FIELD_MANAGER },
    };
    const gathered = gatherModel(model, stores);
    const deleted = model.metadata.deletionTimestamp !== undefined;
    if (gathered.services.length === 0) await removeFinalizer(own);
    else if (!deleted) await addFinalizer(own);
    // Without its finalizer a deleted model is gone.
    if (deleted && gathered.services.length === 0) return undefined;
    const status = modelStatus(gathered, now);
    const counts = !deleted && model.status?.observedGeneration === status.observedGeneration;
    const same = digestOf(model.status) === digestOf(status);
    const waitMs = counts && !same ? pacer.turn(model.metadata.uid ?? '') : 0;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    await writeStatus(own, status);
    return undefined;
  };

  function modelOf({ namespace, name }: ObjectKey): AnyModel | undefined {
    if (kind === 'clusterImageModels') return stores.clusterImageModels.get({ name });
    return namespace === undefined ? undefined : stores.imageModels.get({ namespace, name });
  }
}
