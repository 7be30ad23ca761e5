import { isAbsolute, relative, resolve } from 'node:path';
import type { ClusterImageModel, ImageModel } from '../../crds/generated.ts';
import type { ModelFile } from './fetch-file.ts';

export interface ListedFile extends ModelFile {
  /** False: it is served when it lies in the store already, and never fetched. */
  fetchable: boolean;
}

/** Every blob that some model lists, by its digest, and where it may come from: the platform's models first. */
export type Catalogue = ReadonlyMap<string, readonly ListedFile[]>;

export interface Models {
  cluster: readonly ClusterImageModel[];
  tenants: readonly ImageModel[];
}

/**
 * What the store may hold and serve. A `file:` source is read only for a ClusterImageModel and only below `files`: a
 * tenant has no business with the store's own disk. Pure.
 */
export function catalogueOf(models: Models, files: string | undefined): Catalogue {
  const found = new Map<string, ListedFile[]>();
  const add = ({ source, sha256, size }: ModelFile, fetchable: boolean): void => {
    const known = found.get(sha256) ?? [];
    if (!known.some((other) => other.source === source && other.size === size))
      found.set(sha256, [...known, { source, sha256, size, fetchable }]);
  };
  for (const { spec } of models.cluster)
    for (const file of spec.files) add(file, !isFile(file.source) || isBelow(file.source, files));
  for (const { spec } of models.tenants) for (const file of spec.files) add(file, !isFile(file.source));
  return found;
}

const isFile = (source: string): boolean => source.startsWith('file:');

function isBelow(source: string, files: string | undefined): boolean {
  if (files === undefined) return false;
  const inside = relative(files, resolve(files, source.replace(/^file:(\/\/)?/, '')));
  return inside !== '' && !inside.startsWith('..') && !isAbsolute(inside);
}
