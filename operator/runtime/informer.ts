import { messageOf } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { Scope } from './client.ts';
import { type Clock, systemClock } from './clock.ts';
import { type ChangeHandler, createKeeper } from './keeper.ts';
import type { ReflectorMetrics } from './metrics.ts';
import { type ReflectorLimits, runReflector, type Sink } from './reflector.ts';
import { createStore, type IndexValues } from './store.ts';
import type { Transport } from './transport.ts';
import type { KubernetesObject, Resource, Store } from './types.ts';

/** A store that is kept like the server's objects, and who is told of its changes. */
export interface Informer<T extends KubernetesObject = KubernetesObject> extends Store<T> {
  readonly resource: Resource;
  /** Told of every change from now on; what is in the store already can be listed at once after. */
  onChange: (handler: ChangeHandler<T>) => void;
  /**
   * Takes in what a write answered, before the watch tells of it, so that the next look does not see the past. An
   * older version than the kept one, and an object that is known to be deleted, change nothing. It keeps the object
   * itself, so nobody changes that from then on; it must be one that the scopes select.
   */
  observe: (object: T) => void;
  /** Resolves when everything was listed once; rejects with the signal's reason. */
  whenSynced: (signal?: AbortSignal) => Promise<void>;
  /** What is wrong now, for people. */
  problem: () => string | undefined;
  start: () => void;
  /** Resolves when no request of it is left. */
  stop: () => Promise<void>;
}

export interface InformerOptions<T extends KubernetesObject> {
  resource: Resource;
  /** Must not overlap. All objects of the kind by default. */
  scopes?: readonly Scope[];
  indexes?: Readonly<Record<string, IndexValues<T>>>;
  /** Keeps less of an object; identity, labels and owners must stay. managedFields are gone already. */
  transform?: (object: T) => T;
  limits?: Partial<ReflectorLimits>;
}

export interface InformerContext {
  transport: Transport;
  logger: Logger;
  clock?: Clock;
  random?: () => number;
  metrics?: ReflectorMetrics;
}

export function createInformer<T extends KubernetesObject>(
  options: InformerOptions<T>,
  context: InformerContext,
): Informer<T> {
  const { resource, scopes = [{}] } = options;
  const { transport, logger, clock = systemClock, random = Math.random, metrics } = context;
  const store = createStore<T>(options.indexes);
  const handlers: ChangeHandler<T>[] = [];
  const stopping = new AbortController();
  const synced = Promise.withResolvers<undefined>();
  const problems = new Map<number, string>();
  const unsynced = new Set(scopes.keys());
  let running: Promise<void>[] | undefined;

  const keeper = createKeeper(store, (change) => {
    for (const handler of handlers)
      try {
        handler(change);
      } catch (error) {
        logger.error({ err: error, kind: resource.kind }, 'a handler of changes failed');
      }
  });

  const sinkOf = (index: number, of: Scope): Sink => {
    const scope = keeper.scope(of, (cause, count) => metrics?.found(resource.kind, cause, count));
    return {
      listBegins: scope.listBegins,
      listed(objects) {
        for (const object of objects) scope.listed(keep(object));
      },
      listEnds(watched) {
        scope.listEnds(watched);
        if (!unsynced.delete(index) || unsynced.size > 0) return;
        store.markSynced();
        synced.resolve(undefined);
      },
      changed(type, object) {
        if (type === 'DELETED') scope.deleted(keep(object));
        else scope.watched(keep(object));
      },
      trouble(problem) {
        if (problem === undefined) problems.delete(index);
        else problems.set(index, problem);
      },
    };
  };

  function keep(raw: KubernetesObject): T {
    const object = raw as T;
    delete (object.metadata as { managedFields?: unknown }).managedFields;
    try {
      return options.transform?.(object) ?? object;
    } catch (error) {
      logger.error({ err: error, kind: resource.kind, name: object.metadata.name }, 'a transform failed');
      return object;
    }
  }

  return {
    resource,
    get synced() {
      return store.synced;
    },
    get: store.get,
    list: store.list,
    byIndex: store.byIndex,
    onChange(handler) {
      handlers.push(handler);
    },
    observe(object) {
      keeper.observe(keep(object));
    },
    whenSynced: (signal) => untilAborted(synced.promise, signal),
    problem() {
      const [first] = problems.values();
      if (first !== undefined) return first;
      return store.synced ? undefined : 'the first list is not complete';
    },
    start() {
      running ??= scopes.map((scope, index) =>
        runReflector({
          ...{
            transport,
            resource,
            scope,
            sink: sinkOf(index, scope),
            signal: stopping.signal,
            clock,
            random,
          },
          ...{ logger, metrics, limits: options.limits },
        }).catch((error: unknown) => {
          problems.set(index, `ended: ${messageOf(error)}`);
          logger.fatal({ err: error, kind: resource.kind }, 'a reflector ended');
        }),
      );
    },
    async stop() {
      stopping.abort(new Error('the informer was stopped'));
      await Promise.all(running ?? []);
    },
  };
}

async function untilAborted<V>(promise: Promise<V>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) {
    await promise;
    return;
  }
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    aborted.reject(signal.reason as Error);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
