import { fetchFile } from '../control-plane/model-store/fetch-file.ts';
import { openPackages } from '../control-plane/model-store/npm-package.ts';
import { temporaryFolder } from '../control-plane/model-store/blobs.ts';
import { messageOf, UsageError } from '../foundation/errors.ts';
import type { ModelConfig } from '../inference-server/config.ts';
import type { Terminal } from './console.ts';
import { licenceLines, type PlannedModel } from './plan.ts';
import { createMeter, progressText } from './progress-line.ts';

export interface FetchModelsOptions {
  store: string;
  offline: boolean;
  terminal: Terminal;
  signal: AbortSignal;
  now: () => number;
}

/**
 * Brings the models' files into the store, one after the other. `onModel` is called as soon as one is complete, with
 * the paths of its verified files.
 * @throws UsageError naming the model, the source and what is wrong with it.
 */
export async function fetchModels(
  models: readonly PlannedModel[],
  options: FetchModelsOptions,
  onModel: (model: PlannedModel, files: ModelConfig['files']) => void,
): Promise<void> {
  const packages = openPackages(temporaryFolder(options.store));
  try {
    for (const model of models) {
      const files: ModelConfig['files'] = [];
      for (const { name, source, sha256, size } of model.spec.files) {
        const path = await fetchOne({ model, source, sha256, size }, packages, options);
        files.push({ name, path, sha256, size });
      }
      onModel(model, files);
    }
  } finally {
    options.terminal.endProgress();
    await packages.close();
  }
}

async function fetchOne(
  file: { model: PlannedModel; source: string; sha256: string; size: number },
  packages: ReturnType<typeof openPackages>,
  { store, offline, terminal, signal, now }: FetchModelsOptions,
): Promise<string> {
  const { model, source, sha256, size } = file;
  const meter = createMeter();
  let announced = false;
  try {
    return await fetchFile({ source, sha256, size }, store, {
      packages,
      offline,
      signal,
      onProgress(progress) {
        if (!announced && (progress.phase === 'downloading' || progress.phase === 'unpacking')) {
          announced = true;
          for (const line of licenceLines(model)) terminal.line(line);
          terminal.line(`Fetching it once, from ${source} into ${store}.`);
        }
        const speed = meter.speed(progress.bytes, now());
        terminal.progress(`${model.name}:${progress.phase}`, progressText(model.name, progress, speed));
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    throw new UsageError(`The model ${model.name} could not be fetched. ${messageOf(error)}`);
  }
}
