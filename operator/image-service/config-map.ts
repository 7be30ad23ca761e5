import { type Child, childOf } from '../children/child.ts';
import type { AnyModel, ConfigMap } from '../kinds.ts';
import { CONFIG_FILE, inferenceConfig } from './inference-config.ts';
import { childMetadata, type Target } from './target.ts';

/** The inference server's configuration; nothing in it is secret. */
export function configMap(target: Target, model: AnyModel): Child<ConfigMap> {
  return childOf<ConfigMap>({ kind: 'imageServices', object: target.service }, 'configMaps', {
    metadata: childMetadata(target),
    data: { [CONFIG_FILE]: `${JSON.stringify(inferenceConfig(target, model), null, 2)}\n` },
  });
}
