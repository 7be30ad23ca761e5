import { ApiError } from './errors.ts';
import { pathOf } from './resources.ts';
import type { Method, Transport } from './transport.ts';
import type { Client, KubernetesObject, ObjectKey, Resource } from './types.ts';

export const PAGE_SIZE = 500;
/** A list that changes faster than it can be read is not begun anew for ever. */
const EXPIRED_LISTS = 3;

export interface Scope {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

export interface ListPage<T> {
  items: T[];
  resourceVersion: string;
  continue: string | undefined;
}

interface ListBody {
  items?: unknown[] | null;
  metadata?: { resourceVersion?: string; continue?: string };
}

/** One page, consistent with the pages before it. Items of a list come without kind and apiVersion; they are added. */
export async function listPage<T extends KubernetesObject>(
  transport: Transport,
  resource: Resource,
  { namespace, labelSelector, fieldSelector }: Scope,
  page: { limit: number; continue?: string | undefined; signal?: AbortSignal | undefined },
): Promise<ListPage<T>> {
  const { limit, signal } = page;
  const query = { labelSelector, fieldSelector, limit: String(limit), continue: page.continue };
  const path = pathOf(resource, namespace === undefined ? {} : { namespace });
  const { items, metadata } = (await transport.request('GET', path, { query, signal })) as ListBody;
  const apiVersion = resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
  return {
    items: (items ?? []).map((item) => ({ apiVersion, kind: resource.kind, ...(item as object) }) as T),
    resourceVersion: metadata?.resourceVersion ?? '',
    continue: metadata?.continue === '' ? undefined : metadata?.continue,
  };
}

/** Reads and writes of raw JSON. Closing the transport ends it. */
export function createClient(transport: Transport): Client {
  const write = async <T>(
    method: Method,
    path: string,
    body: unknown,
    call: { signal?: AbortSignal; query?: Record<string, string | undefined>; contentType?: string },
  ): Promise<T> => {
    const query = { fieldValidation: 'Strict', ...call.query };
    return (await transport.request(method, path, { ...call, query, body })) as T;
  };
  return {
    async get<T extends KubernetesObject>(
      resource: Resource,
      key: ObjectKey,
      call: { signal?: AbortSignal } = {},
    ) {
      try {
        return (await transport.request('GET', pathOf(resource, key), call)) as T;
      } catch (error) {
        if (isGone(error)) return undefined;
        throw error;
      }
    },
    async list<T extends KubernetesObject>(
      resource: Resource,
      options: Scope & { signal?: AbortSignal } = {},
    ) {
      const { signal, ...scope } = options;
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await listAll<T>(transport, resource, scope, signal);
        } catch (error) {
          if (!(error instanceof ApiError && error.status === 410) || attempt === EXPIRED_LISTS) throw error;
        }
      }
    },
    apply: (resource, object, { fieldManager, force = true, subresource, signal }) =>
      write('PATCH', pathOf(resource, keyOf(object), subresource), object, {
        ...(signal === undefined ? {} : { signal }),
        query: { fieldManager, force: String(force) },
        // JSON is YAML, and every server since 1.22 takes it under this name.
        contentType: 'application/apply-patch+yaml',
      }),
    create: (resource, object, call = {}) =>
      write('POST', pathOf(resource, namespaceOf(object)), object, call),
    update: (resource, object, call = {}) => write('PUT', pathOf(resource, keyOf(object)), object, call),
    async delete(resource, key, { uid, propagation = 'Background', signal } = {}) {
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: propagation,
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      };
      try {
        await transport.request('DELETE', pathOf(resource, key), { body, signal });
      } catch (error) {
        // Another uid under this name means that the one asked for is gone.
        if (isGone(error) || (uid !== undefined && error instanceof ApiError && error.status === 409)) return;
        throw error;
      }
    },
  };
}

async function listAll<T extends KubernetesObject>(
  transport: Transport,
  resource: Resource,
  scope: Scope,
  signal: AbortSignal | undefined,
): Promise<T[]> {
  const objects: T[] = [];
  let next: string | undefined;
  do {
    const page = await listPage<T>(transport, resource, scope, { limit: PAGE_SIZE, continue: next, signal });
    for (const item of page.items) objects.push(item);
    next = page.continue;
  } while (next !== undefined);
  return objects;
}

function isGone(error: unknown): boolean {
  // A path that the server does not serve at all is answered without this reason.
  return error instanceof ApiError && error.status === 404 && error.reason === 'NotFound';
}

function keyOf({ metadata: { namespace, name } }: KubernetesObject): ObjectKey {
  return namespace === undefined ? { name } : { namespace, name };
}

function namespaceOf({ metadata: { namespace } }: KubernetesObject): Partial<ObjectKey> {
  return namespace === undefined ? {} : { namespace };
}
