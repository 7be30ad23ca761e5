import { createHash } from 'node:crypto';
import { carries } from './applied.ts';
import type { Informer } from './informer.ts';
import type { ApplyMetrics } from './metrics.ts';
import { uidOf } from './store.ts';
import type { Client, KubernetesObject } from './types.ts';

/** Writes what a controller wants, and nothing where the server's object is so already. */
export interface Applier {
  /**
   * Applies `wanted` unless the kept object carries it and was last applied from the same. Answers the object as it is
   * now; its store has it too. @throws ApiError
   */
  apply: <T extends KubernetesObject>(
    informer: Informer<T>,
    wanted: KubernetesObject,
    signal: AbortSignal,
  ) => Promise<T>;
  /** The status alone, of an object that the informer keeps; `others` are fields of the status that others write. */
  applyStatus: <T extends KubernetesObject>(
    informer: Informer<T>,
    wanted: KubernetesObject & { status: unknown },
    options: { signal: AbortSignal; others?: readonly string[] },
  ) => Promise<T>;
}

export interface ApplierOptions {
  client: Client;
  fieldManager: string;
  /**
   * Keeps a digest of what was applied, so that a field which is no longer wanted is seen to be too much, also after a
   * restart: without managedFields nothing else tells whose it is. One key for each field manager.
   */
  annotation: string;
  metrics?: ApplyMetrics | undefined;
}

/** Objects whose needless apply is not repeated while both sides are the same. */
const MOST_REMEMBERED = 50_000;

export function createApplier({ client, fieldManager, annotation, metrics }: ApplierOptions): Applier {
  /** By uid: of applies that changed nothing, what was applied and what the server has. */
  const settled = new Map<string, string>();

  function isThere(live: KubernetesObject, marked: KubernetesObject, digest: string): boolean {
    if (live.metadata.annotations?.[annotation] === digest && carries(live, marked)) return true;
    const known = settled.get(uidOf(live));
    return known !== undefined && known === `${digest} ${digestOfLive(live)}`;
  }

  function remember(uid: string, digest: string, live: KubernetesObject): void {
    settled.delete(uid);
    settled.set(uid, `${digest} ${digestOfLive(live)}`);
    if (settled.size <= MOST_REMEMBERED) return;
    const oldest = settled.keys().next();
    if (oldest.done !== true) settled.delete(oldest.value);
  }

  async function write<T extends KubernetesObject>(
    informer: Informer<T>,
    wanted: KubernetesObject,
    live: T | undefined,
    options: { signal: AbortSignal; subresource?: 'status' },
  ): Promise<T> {
    const object = await client.apply<T>(informer.resource, wanted, {
      fieldManager,
      force: true,
      ...options,
    });
    metrics?.applied(informer.resource.kind, isSame(live, object) ? 'needless' : 'changed');
    informer.observe(object);
    return object;
  }

  return {
    async apply(informer, wanted, signal) {
      const key = keyOf(wanted);
      const live = informer.get(key);
      const digest = digestOf(wanted);
      const marked = withAnnotation(wanted, annotation, digest);
      if (live !== undefined && isThere(live, marked, digest)) {
        metrics?.applied(informer.resource.kind, 'skipped');
        return live;
      }
      const object = await write(informer, marked, live, { signal });
      if (isSame(live, object)) remember(uidOf(object), digest, object);
      return object;
    },
    async applyStatus(informer, wanted, { signal, others = [] }) {
      const live = informer.get(keyOf(wanted));
      if (live !== undefined && statusText(live, others) === statusText(wanted, others)) {
        metrics?.applied(informer.resource.kind, 'skipped');
        return live;
      }
      return write(informer, wanted, live, { signal, subresource: 'status' });
    },
  };
}

function isSame(before: KubernetesObject | undefined, after: KubernetesObject): boolean {
  return before !== undefined && before.metadata.resourceVersion === after.metadata.resourceVersion;
}

function keyOf({ metadata: { namespace, name } }: KubernetesObject): { namespace?: string; name: string } {
  return namespace === undefined ? { name } : { namespace, name };
}

function withAnnotation(object: KubernetesObject, name: string, value: string): KubernetesObject {
  const annotations = { ...object.metadata.annotations, [name]: value };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('base64url').slice(0, 22);
}

/** What people and controllers set; not what the server counts, and not the status. */
function digestOfLive(object: KubernetesObject): string {
  const { metadata, ...rest } = object as KubernetesObject & { status?: unknown };
  delete rest.status;
  const { labels, annotations, finalizers, ownerReferences } = metadata;
  return digestOf({ ...rest, metadata: { labels, annotations, finalizers, ownerReferences } });
}

function statusText(object: KubernetesObject & { status?: unknown }, others: readonly string[]): string {
  const status = object.status ?? {};
  return canonical(Object.fromEntries(Object.entries(status).filter(([field]) => !others.includes(field))));
}

/** JSON with sorted keys; undefined fields are absent. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join()}}`;
}
