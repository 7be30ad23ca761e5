import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../foundation/errors.ts';
import type { Logger } from '../foundation/logger.ts';
import type { InferenceServerConfig } from './config.ts';
import type { Engine } from './engine/engine.ts';

/**
 * Gives the function that puts a changed configuration to use while the server goes on: another version of a model
 * takes the place of the old one with no request failed. Whatever else differs needs a new start, which is said.
 * It never rejects; what was not replaced goes on as it was, and is tried again next time.
 */
export function createReload(
  engine: Pick<Engine, 'replaceModel'>,
  started: InferenceServerConfig,
  logger: Logger,
): (config: InferenceServerConfig) => Promise<void> {
  const served = new Map(started.models.map((model) => [model.name, model]));
  return async (config) => {
    const names = config.models.map(({ name }) => name);
    const sameNames = isDeepStrictEqual(new Set(names), new Set(served.keys()));
    if (!sameNames || !isDeepStrictEqual({ ...config, models: [] }, { ...started, models: [] }))
      logger.warn('only versions of models are changed while the server runs; the rest needs a new start');
    for (const model of config.models) {
      const { name } = model;
      if (!served.has(name) || isDeepStrictEqual(model, served.get(name))) continue;
      try {
        await engine.replaceModel(model);
        served.set(name, model);
        logger.info(
          { model: name, sha256: model.files[0]?.sha256 },
          'another version of the model is served',
        );
      } catch (error) {
        logger.error({ model: name }, messageOf(error));
      }
    }
  };
}
