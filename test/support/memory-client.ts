import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../../operator/runtime/errors.ts';
import { keyText } from '../../operator/runtime/resources.ts';
import type { Client, KubernetesObject, ObjectKey, Resource } from '../../operator/runtime/types.ts';

export interface MemoryState {
  objects: Map<string, KubernetesObject>;
  version: number;
}

export interface MemoryClient {
  client: Client;
  state: MemoryState;
  /** May be changed at any time. */
  faults: { refuse: boolean; loseAnswers: boolean };
  /** Every write: `apply Event default/x`. */
  writes: string[];
}

/**
 * An API server's objects in memory, for tests of many interleavings in little time: versions, conflicts, names that are
 * taken. Apply replaces the whole object. What a real server decides is tested with a real one.
 */
export function memoryClient(state: MemoryState = { objects: new Map(), version: 0 }): MemoryClient {
  const faults = { refuse: false, loseAnswers: false };
  const writes: string[] = [];
  const at = ({ kind }: Resource, key: ObjectKey): string => `${kind} ${keyText(key)}`;

  async function answer<V>(work: () => V): Promise<V> {
    await Promise.resolve();
    if (faults.refuse) throw new Error('refused by the test');
    const value = work();
    if (faults.loseAnswers) throw new Error('the answer is lost by the test');
    return structuredClone(value);
  }

  function put(key: string, object: KubernetesObject): KubernetesObject {
    const before = state.objects.get(key);
    const metadata = { ...object.metadata, uid: before?.metadata.uid ?? `uid-${state.version}` };
    const same = { ...object, metadata: { ...metadata, resourceVersion: before?.metadata.resourceVersion } };
    if (isDeepStrictEqual(same, before)) return before as KubernetesObject;
    state.version += 1;
    const stored = structuredClone({
      ...object,
      metadata: { ...metadata, resourceVersion: `${state.version}` },
    });
    state.objects.set(key, stored);
    return stored;
  }

  function write(
    verb: string,
    resource: Resource,
    object: KubernetesObject,
    check: (now?: KubernetesObject) => void,
  ) {
    return answer(() => {
      const key = at(resource, object.metadata);
      check(state.objects.get(key));
      writes.push(`${verb} ${key}`);
      return put(key, object);
    });
  }

  const conflict = (reason: string): never => {
    throw new ApiError(409, reason, `${reason} of the test`);
  };
  return {
    ...{ state, faults, writes },
    client: {
      get: (async (resource, key) => answer(() => state.objects.get(at(resource, key)))) as Client['get'],
      list: (async ({ kind }) =>
        answer(() =>
          [...state.objects].filter(([key]) => key.startsWith(`${kind} `)).map(([, object]) => object),
        )) as Client['list'],
      apply: (async (resource, object) =>
        write('apply', resource, object, () => undefined)) as Client['apply'],
      create: (async (resource, object) =>
        write('create', resource, object, (now) => {
          if (now !== undefined) conflict('AlreadyExists');
        })) as Client['create'],
      update: (async (resource, object) =>
        write('update', resource, object, (now) => {
          if (now === undefined) throw new ApiError(404, 'NotFound', 'not found');
          const { resourceVersion } = object.metadata;
          if (resourceVersion !== undefined && resourceVersion !== now.metadata.resourceVersion)
            conflict('Conflict');
        })) as Client['update'],
      async delete(resource, key) {
        await answer(() => {
          writes.push(`delete ${at(resource, key)}`);
          state.objects.delete(at(resource, key));
        });
      },
    },
  };
}
