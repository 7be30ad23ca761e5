import type { ControllerDependencies } from '../dependencies.ts';
import type { AnyModel } from '../kinds.ts';
import { addFinalizer, type OwnObject, removeFinalizer, writeStatus } from '../own-object.ts';
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
  /** By uid, of those that were looked at just now. */
  const writtenAt = new Map<string, number>();
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
    return pace(model, deleted, () => writeStatus(own, modelStatus(gathered, now)));
  };

  /** A thousand services that come at once are counted a few times, not a thousand times. */
  async function pace(
    model: AnyModel,
    urgent: boolean,
    write: () => Promise<void>,
  ): Promise<{ requeueAfterMs: number } | undefined> {
    const { uid = '' } = model.metadata;
    const time = now().getTime();
    const waitMs = (writtenAt.get(uid) ?? 0) + PACE_MS - time;
    if (waitMs > 0 && !urgent && model.status?.observedGeneration === model.metadata.generation)
      return { requeueAfterMs: waitMs };
    for (const [other, at] of writtenAt) if (at + PACE_MS <= time) writtenAt.delete(other);
    writtenAt.set(uid, time);
    await write();
    return undefined;
  }

  function modelOf({ namespace, name }: ObjectKey): AnyModel | undefined {
    if (kind === 'clusterImageModels') return stores.clusterImageModels.get({ name });
    return namespace === undefined ? undefined : stores.imageModels.get({ namespace, name });
  }
}
