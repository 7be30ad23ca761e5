import { createCopyOperator, type CopyOperator } from './copy-operator.ts';
import type { ApiServer } from '../apiserver/apiserver.ts';
import { type FaultProxy, startFaultProxy } from './api-faults.ts';
import { createCopyWorld, type CopyWorld } from './copy-world.ts';

export interface CopyScene {
  proxy: FaultProxy;
  world: CopyWorld;
  operator: CopyOperator;
  /** Of a counter, over all labels that contain these. */
  metric: (name: string, labels?: Record<string, string>) => Promise<number>;
}

export type CopySceneOptions = Partial<
  Pick<Parameters<typeof createCopyOperator>[0], 'limits' | 'timeoutMs'>
>;

/** An operator at a proxy, with a source and its child made already. */
export async function withScene(
  server: ApiServer,
  options: CopySceneOptions,
  play: (scene: CopyScene) => Promise<void>,
): Promise<void> {
  const proxy = await startFaultProxy(server.kubeconfig);
  const world = await createCopyWorld(server);
  const operator = createCopyOperator({
    ...{ access: proxy.access, namespace: world.namespace, ...options },
    limits: { backoffMs: 20, longestBackoffMs: 500, ...options.limits },
  });
  await operator.manager.start();
  try {
    await world.create('calm', 'before');
    await world.converged();
    await play({
      ...{ proxy, world, operator },
      async metric(name, labels = {}) {
        const values = (await operator.registry.getSingleMetric(name)?.get())?.values ?? [];
        return values
          .filter((value) => Object.entries(labels).every(([label, is]) => value.labels[label] === is))
          .reduce((sum, { value }) => sum + value, 0);
      },
    });
  } finally {
    await operator.manager.stop();
    await proxy.stop();
  }
}
