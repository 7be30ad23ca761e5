import { createHash } from 'node:crypto';
import { carries } from './applied.ts';
import type { Informer } from './informer.ts';
import type { ApplyMetrics } from './metrics.ts';
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

/** An apply that changed nothing is not repeated while both sides are the same. */
const MOST_REMEMBERED = 50_000;

export function createApplier({ client, fieldManager, annotation, metrics }: ApplierOptions): Applier {
  /** By uid: the digest of what was applied and of what the server then had. */
  const settled = new Map<string, string>();

  function remember(uid: string | undefined, digest: string): void {
    if (uid === undefined) return;
    settled.delete(uid);
    settled.set(uid, digest);
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
    const needless = live !== undefined && live.metadata.resourceVersion === object.metadata.resourceVersion;
    metrics?.applied(informer.resource.kind, needless ? 'needless' : 'changed');
    informer.observe(object);
    return object;
  }

  return {
    async apply(informer, wanted, signal) {
      const live = informer.get(keyOf(wanted));
      const digest = digestOf(wanted);
      const marked = withAnnotation(wanted, annotation, digest);
      if (live !== undefined) {
        const both = `${digest} ${digestOfLive(live)}`;
        const known = settled.get(live.metadata.uid ?? '') === both;
        if (known || (live.metadata.annotations?.[annotation] === digest && carries(live, marked))) {
          metrics?.applied(informer.resource.kind, 'skipped');
          return live;
        }
      }
      const object = await write(informer, marked, live, { signal });
      remember(object.metadata.uid, `${digest} ${digestOfLive(informer.get(keyOf(wanted)) ?? object)}`);
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
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
