/** A small operator on operator/runtime: each ConfigMap labelled `role: source` gets a child with the same data. */
import { Registry } from 'prom-client';
import { createLogger } from '../../foundation/logger.ts';
import { type Access, loadAccess } from '../../operator/runtime/access.ts';
import { createApplier } from '../../operator/runtime/apply.ts';
import type { Informer } from '../../operator/runtime/informer.ts';
import { createManager, type Manager, type ManagerOptions } from '../../operator/runtime/manager.ts';
import { createRuntimeMetrics } from '../../operator/runtime/metrics.ts';
import type { ReflectorLimits } from '../../operator/runtime/reflector.ts';
import { apiVersionOf, resources } from '../../operator/runtime/resources.ts';
import { createTransport } from '../../operator/runtime/transport.ts';
import type { KubernetesObject } from '../../operator/runtime/types.ts';
import { own, ownedBy, ownerReferenceOf, specChanged } from '../../operator/runtime/watches.ts';

export interface ConfigMap extends KubernetesObject {
  data?: Record<string, string>;
}

export const SOURCE = 'test.imageplane.dev/role=source';
export const CHILD = 'test.imageplane.dev/role=child';
export const MANAGER = 'copy-operator';
export const ANNOTATION = 'test.imageplane.dev/applied';

export interface CopyOperator {
  manager: Manager;
  registry: Registry;
  sources: Informer<ConfigMap>;
  children: Informer<ConfigMap>;
}

export interface CopyOptions {
  access?: Access;
  namespace: string;
  limits?: Partial<ReflectorLimits>;
  election?: ManagerOptions['election'];
  identity?: string;
  level?: string;
  timeoutMs?: number;
}

export function childName(source: string): string {
  return `${source}-copy`;
}

export function createCopyOperator(options: CopyOptions): CopyOperator {
  const { access = loadAccess(), namespace, limits = {}, election, identity = 'copy-operator-0' } = options;
  const registry = new Registry();
  const metrics = createRuntimeMetrics(registry);
  const transport = createTransport(access, {
    program: MANAGER,
    metrics,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
  });
  const manager = createManager({
    ...{ transport, metrics, registry, identity },
    logger: createLogger(MANAGER, options.level ?? 'silent'),
    probes: { host: '127.0.0.1', port: 0 },
    reportingController: 'imageplane.dev/copy-operator',
    ...(election === undefined ? {} : { election }),
  });
  const informerOf = (labelSelector: string): Informer<ConfigMap> =>
    manager.informer({ resource: resources.ConfigMap, scopes: [{ namespace, labelSelector }], limits });
  const [sources, children] = [informerOf(SOURCE), informerOf(CHILD)];
  const applier = createApplier({
    client: manager.client,
    fieldManager: MANAGER,
    annotation: ANNOTATION,
    metrics,
  });
  manager.controller({
    name: 'copy',
    watches: [own(sources, { matters: changedData }), ownedBy(children, resources.ConfigMap)],
    retries: { maxMs: 2_000, perSecond: 100 },
    async reconcile(key, { signal }) {
      const source = sources.get(key);
      if (source === undefined || source.metadata.deletionTimestamp !== undefined) return undefined;
      const owner = ownerReferenceOf(resources.ConfigMap, source);
      await applier.apply(
        children,
        {
          apiVersion: apiVersionOf(resources.ConfigMap),
          kind: 'ConfigMap',
          metadata: {
            ...{ name: childName(key.name), namespace },
            labels: { 'test.imageplane.dev/role': 'child' },
            ownerReferences: [owner],
          },
          data: source.data ?? {},
        } as KubernetesObject,
        signal,
      );
      return undefined;
    },
  });
  return { manager, registry, sources, children };
}

/** A ConfigMap has no generation. */
function changedData(current: ConfigMap, previous: ConfigMap): boolean {
  return specChanged(current, previous) || JSON.stringify(current.data) !== JSON.stringify(previous.data);
}
