/** Where the API server serves a kind: `/apis/{group}/{version}/…/{plural}`, or `/api/{version}` for the core group (''). */
export interface Resource {
  group: string;
  version: string;
  kind: string;
  plural: string;
  namespaced: boolean;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  creationTimestamp?: string;
  deletionTimestamp?: string;
}

/** Raw JSON, as the API server sent it: a typed model would drop the fields that it does not know. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

export interface ObjectKey {
  namespace?: string;
  name: string;
}

interface Call {
  signal?: AbortSignal;
}

/** Throws `ApiError` (status, reason, message, retryAfterMs) for every answer but success. */
export interface Client {
  get: <T extends KubernetesObject>(
    resource: Resource,
    key: ObjectKey,
    call?: Call,
  ) => Promise<T | undefined>;
  /** All pages. */
  list: <T extends KubernetesObject>(
    resource: Resource,
    options?: Call & { namespace?: string; labelSelector?: string; fieldSelector?: string },
  ) => Promise<T[]>;
  /** Server-side apply with strict field validation. `status` writes the status alone. Answers the object as it is now. */
  apply: <T extends KubernetesObject>(
    resource: Resource,
    object: KubernetesObject,
    options: Call & { fieldManager: string; force?: boolean; subresource?: 'status' },
  ) => Promise<T>;
  create: <T extends KubernetesObject>(
    resource: Resource,
    object: KubernetesObject,
    call?: Call,
  ) => Promise<T>;
  update: <T extends KubernetesObject>(
    resource: Resource,
    object: KubernetesObject,
    call?: Call,
  ) => Promise<T>;
  /** Gone already is success. */
  delete: (
    resource: Resource,
    key: ObjectKey,
    options?: Call & { uid?: string; propagation?: 'Background' | 'Foreground' | 'Orphan' },
  ) => Promise<void>;
}

/** What a reflector keeps: never managedFields; identity is the uid. */
export interface Store<T extends KubernetesObject = KubernetesObject> {
  /** After the first whole list. */
  readonly synced: boolean;
  get: (key: ObjectKey) => T | undefined;
  list: (namespace?: string) => T[];
  /** By a named index given when the store was made. */
  byIndex: (index: string, value: string) => T[];
}

export interface ReconcileContext {
  /** Ends with the reconcile's deadline and with the operator. */
  signal: AbortSignal;
}

/** Throws `TerminalError` where trying again cannot help until an object changes; anything else is tried again with backoff. */
export type Reconcile = (
  key: ObjectKey,
  context: ReconcileContext,
) => Promise<{ requeueAfterMs?: number } | undefined>;
