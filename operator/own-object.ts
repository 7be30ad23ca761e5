import { FINALIZER } from '../contracts/workload.ts';
import type { Condition } from '../crds/generated.ts';
import { keyOf } from './children/apply.ts';
import type { ControllerDependencies } from './dependencies.ts';
import { type KindName, kinds } from './kinds.ts';
import type { KubernetesObject } from './runtime/types.ts';
import { informerOf } from './stores.ts';

/** An object of ours that a controller is at work on. */
export interface OwnObject extends Pick<ControllerDependencies, 'client' | 'applier' | 'stores' | 'events'> {
  kind: KindName;
  object: KubernetesObject;
  fieldManager: string;
  signal: AbortSignal;
}

/** Sees to it that the object is not gone before its controller has cleaned up. */
export async function addFinalizer(own: OwnObject): Promise<void> {
  const { client, kind, object, fieldManager, signal } = own;
  if (object.metadata.finalizers?.includes(FINALIZER) === true) return;
  const identity = identityOf(object);
  const body = { ...identity, metadata: { ...identity.metadata, finalizers: [FINALIZER] } };
  observe(own, await client.apply(kinds[kind], body, { fieldManager, force: true, signal }));
}

/** Lets the object go. Other finalizers stay. */
export async function removeFinalizer(own: OwnObject): Promise<void> {
  const { client, kind, object, signal } = own;
  const { finalizers = [] } = object.metadata;
  if (!finalizers.includes(FINALIZER)) return;
  // Not by apply: whoever applied a copy of the object that had the finalizer would hold on to it.
  const metadata = { ...object.metadata, finalizers: finalizers.filter((name) => name !== FINALIZER) };
  const answer = await client.update(kinds[kind], { ...object, metadata }, { signal });
  // One that goes with its last finalizer must not come back into the store.
  if (object.metadata.deletionTimestamp === undefined) observe(own, answer);
}

/** Writes the status when it differs, and tells of a change of Ready. Keys named in `others` are somebody else's. */
export async function writeStatus(
  own: OwnObject,
  status: { conditions?: Condition[] },
  others: readonly string[] = [],
): Promise<void> {
  const { applier, stores, kind, object, signal } = own;
  const wanted = { ...identityOf(object), status };
  await applier.applyStatus(informerOf(stores, kind), wanted, { signal, others });
  tell(own, status);
}

function tell({ events, object }: OwnObject, status: { conditions?: Condition[] }): void {
  const before = readyOf('status' in object ? (object.status as typeof status | undefined) : undefined);
  const ready = readyOf(status);
  if (ready === undefined || (before?.reason === ready.reason && before.status === ready.status)) return;
  const stalled = status.conditions?.find(({ type }) => type === 'Stalled')?.status === 'True';
  const type = stalled ? 'Warning' : 'Normal';
  events.record(object, { type, reason: ready.reason, action: 'Reconcile', note: ready.message });
}

function readyOf(status: { conditions?: Condition[] } | undefined): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready');
}

function observe({ stores, kind }: OwnObject, object: KubernetesObject): void {
  informerOf(stores, kind).observe(object);
}

function identityOf(object: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata } = object;
  const { uid } = metadata;
  return { apiVersion, kind, metadata: { ...keyOf(object), ...(uid === undefined ? {} : { uid }) } };
}
