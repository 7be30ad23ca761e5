import { FINALIZER } from '../contracts/workload.ts';
import { digestOf } from './children/child.ts';
import { keyOf } from './children/apply.ts';
import { type KindName, kinds } from './kinds.ts';
import type { Client, KubernetesObject } from './runtime/types.ts';

/** An object of ours that a controller is at work on. */
export interface OwnObject {
  client: Client;
  kind: KindName;
  object: KubernetesObject;
  fieldManager: string;
  signal: AbortSignal;
}

/** Sees to it that the object is not gone before its controller has cleaned up. */
export async function addFinalizer({ client, kind, object, fieldManager, signal }: OwnObject): Promise<void> {
  if (object.metadata.finalizers?.includes(FINALIZER) === true) return;
  const body = {
    ...identityOf(object),
    metadata: { ...identityOf(object).metadata, finalizers: [FINALIZER] },
  };
  await client.apply(kinds[kind], body, { fieldManager, force: true, signal });
}

/** Lets the object go. Other finalizers stay. */
export async function removeFinalizer({ client, kind, object, signal }: OwnObject): Promise<void> {
  const { finalizers = [] } = object.metadata;
  if (!finalizers.includes(FINALIZER)) return;
  // Not by apply: whoever applied a copy of the object that had the finalizer would hold on to it.
  const metadata = { ...object.metadata, finalizers: finalizers.filter((name) => name !== FINALIZER) };
  await client.update(kinds[kind], { ...object, metadata }, { signal });
}

/** Writes the status when it differs. Keys named in `others` are somebody else's. */
export async function writeStatus(
  { client, kind, object, fieldManager, signal }: OwnObject,
  status: object,
  others: readonly string[] = [],
): Promise<void> {
  const current: object =
    'status' in object && typeof object.status === 'object' ? (object.status ?? {}) : {};
  const own = Object.fromEntries(Object.entries(current).filter(([key]) => !others.includes(key)));
  if (digestOf(own) === digestOf(status)) return;
  const body = { ...identityOf(object), status };
  await client.apply(kinds[kind], body, { fieldManager, force: true, subresource: 'status', signal });
}

function identityOf(object: KubernetesObject): KubernetesObject {
  const { apiVersion, kind, metadata } = object;
  const { uid } = metadata;
  return { apiVersion, kind, metadata: { ...keyOf(object), ...(uid === undefined ? {} : { uid }) } };
}
