import { isJsonObject, type Json, type JsonObject } from './crd.ts';

/** A model with a file whose digest is not known yet. `models pin` records it; until then nothing loads the model. */
export interface UnpinnedModel {
  kind: 'ImageModel' | 'ClusterImageModel';
  metadata: { name: string; namespace?: string };
  /** Where its manifest was read. */
  file: string;
}

const PLACEHOLDER = { sha256: '0'.repeat(64), size: 1 };

function filesOf(value: Json): JsonObject[] {
  if (!isJsonObject(value) || (value['kind'] !== 'ClusterImageModel' && value['kind'] !== 'ImageModel'))
    return [];
  const spec = value['spec'];
  const files = spec !== undefined && isJsonObject(spec) ? spec['files'] : undefined;
  return Array.isArray(files) ? files.filter(isJsonObject) : [];
}

/** Whether it is a model of which a file has neither digest nor size. One without the other is a mistake instead. */
export function unpinnedModel(value: Json): boolean {
  return filesOf(value).some((file) => !Object.hasOwn(file, 'sha256') && !Object.hasOwn(file, 'size'));
}

/** The same, valid as far as digests go, so that everything else of it can be checked. In place. */
export function withPlaceholders(value: Json): Json {
  for (const file of filesOf(value))
    if (!Object.hasOwn(file, 'sha256') && !Object.hasOwn(file, 'size')) Object.assign(file, PLACEHOLDER);
  return value;
}
