import { Registry } from 'prom-client';
import type { Logger } from '../foundation/logger.ts';
import type { OperatorConfig } from './config.ts';
import { APPLIED, type ControllerDependencies } from './dependencies.ts';
import { createModelReconcile, FIELD_MANAGER as MODEL } from './image-model/reconcile.ts';
import { clusterImageModelWakes, imageModelWakes } from './image-model/watches.ts';
import { FIELD_MANAGER as SERVICE } from './image-service/names.ts';
import { createServiceReconcile } from './image-service/reconcile.ts';
import { serviceWakes } from './image-service/watches.ts';
import { openInformers } from './informers.ts';
import type { Access } from './runtime/access.ts';
import { createApplier } from './runtime/apply.ts';
import type { Informer } from './runtime/informer.ts';
import { createManager, type Manager, type ManagerOptions } from './runtime/manager.ts';
import { createRuntimeMetrics } from './runtime/metrics.ts';
import { createTransport } from './runtime/transport.ts';
import type { KubernetesObject, ObjectKey, Reconcile } from './runtime/types.ts';
import { mapped, type Watch } from './runtime/watches.ts';
import type { Informers } from './stores.ts';
import { FIELD_MANAGER as TENANT } from './tenant/names.ts';
import { createTenantReconcile } from './tenant/reconcile.ts';
import { tenantWakes } from './tenant/watches.ts';
import type { Wakes } from './wake.ts';

export interface OperatorOptions {
  config: OperatorConfig;
  access: Access;
  logger: Logger;
  /** Of this process among its replicas, never the same again after a restart. */
  identity: string;
  /** Absent, this process works at once. */
  election?: ManagerOptions['election'];
  now: () => Date;
}

export interface Operator {
  manager: Manager;
  registry: Registry;
  stores: Informers;
}

/** Everything of one operator process, not started. */
export function createOperator(options: OperatorOptions): Operator {
  const { config, access, logger, identity, election, now } = options;
  const registry = new Registry();
  const metrics = createRuntimeMetrics(registry);
  const transport = createTransport(access, { program: 'imageplane-operator', metrics });
  const manager = createManager({
    ...{ transport, logger, registry, metrics, identity },
    probes: config.metrics,
    reportingController: 'imageplane.dev/operator',
    ...(election === undefined ? {} : { election }),
  });
  const stores = openInformers(manager, config);
  const { client, events } = manager;
  const dependencies = (fieldManager: string): ControllerDependencies => ({
    ...{ client, stores, events, config, now },
    applier: createApplier({ client, fieldManager, annotation: APPLIED, metrics }),
  });
  const add = (name: string, reconcile: Reconcile, wakes: Wakes): void => {
    const watches = wakes.map((wake) => watchOf(stores, wake));
    manager.controller({ name, reconcile, watches, workers: config.workers });
  };
  add('tenant', createTenantReconcile(dependencies(TENANT)), tenantWakes(stores, config));
  add('image-service', createServiceReconcile(dependencies(SERVICE)), serviceWakes(stores));
  const models = dependencies(MODEL);
  add('image-model', createModelReconcile(models, 'imageModels'), imageModelWakes(stores));
  add('cluster-image-model', createModelReconcile(models, 'clusterImageModels'), clusterImageModelWakes());
  return { manager, registry, stores };
}

function watchOf(stores: Informers, { store, keys, matters }: Wakes[number]): Watch {
  return mapped(
    stores[store] as unknown as Informer,
    keys as (object: KubernetesObject) => ObjectKey[],
    matters === undefined ? {} : { matters },
  );
}
