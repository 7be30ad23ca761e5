import { join } from 'node:path';
import { temporaryFolder } from '../../control-plane/model-store/blobs.ts';
import { fetchFile } from '../../control-plane/model-store/fetch-file.ts';
import { openPackages } from '../../control-plane/model-store/npm-package.ts';
import { loadObjects } from '../../crds/load.ts';
import { defaultFolders } from '../../standalone/options.ts';

/** Where `npm start` keeps what can be fetched again. */
export function cacheFolder(): string {
  return (
    process.env['IMAGEPLANE_CACHE'] ??
    defaultFolders({ env: process.env, root: process.getuid?.() === 0 }).cache
  );
}

/** Models of the catalogue as an inference server is configured with them: fetched at first use, verified always. */
export async function catalogueModels(...names: string[]): Promise<Record<string, unknown>[]> {
  const { clusterImageModels } = await loadObjects(['models']);
  const store = join(cacheFolder(), 'models');
  const packages = openPackages(temporaryFolder(store));
  try {
    const models: Record<string, unknown>[] = [];
    for (const name of names) {
      const model = clusterImageModels.find(({ metadata }) => metadata.name === name);
      if (model === undefined) throw new Error(`models/ has no ${name}`);
      const { family, task, pipeline, files } = model.spec;
      const fetched: Record<string, unknown>[] = [];
      for (const file of files)
        fetched.push({
          name: file.name,
          sha256: file.sha256,
          size: file.size,
          path: await fetchFile(file, store, { packages }),
        });
      models.push({ name, family, task, pipeline, files: fetched });
    }
    return models;
  } finally {
    await packages.close();
  }
}
