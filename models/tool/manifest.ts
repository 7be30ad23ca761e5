import { isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from 'yaml';
import { parseObjects } from '../../crds/load.ts';
import type { ClusterImageModel, ImageModel } from '../../crds/generated.ts';
import type { Validate } from '../../crds/validation.ts';
import { UsageError } from '../../foundation/errors.ts';

/** A file as its manifest has it; without a digest it is not pinned. */
export interface ManifestFile {
  name: string;
  source: string;
  sha256?: string;
  size?: number;
}

export interface Manifest {
  path: string;
  name: string;
  text: string;
  files: ManifestFile[];
  spec: Omit<(ClusterImageModel | ImageModel)['spec'], 'files'>;
  /** What the publisher states, such as `md5:…`; it belongs to the first file. */
  publishedDigest: string | undefined;
}

const PUBLISHED = 'models.imageplane.dev/published-digest';

/**
 * Reads the manifest of one model, valid but for digests that are missing.
 * @throws UsageError with every problem, as the loader writes them.
 */
export function readManifest(path: string, text: string, validate: Validate): Manifest {
  let model: ClusterImageModel | ImageModel | undefined;
  const documents = parseObjects([{ file: path, text }], (value) => {
    const result = validate(value);
    if (result.ok && (result.object.kind === 'ClusterImageModel' || result.object.kind === 'ImageModel'))
      model = result.object;
    return result;
  });
  const count =
    documents.clusterImageModels.length + documents.imageModels.length + documents.unpinnedModels.length;
  if (model === undefined || count !== 1)
    throw new UsageError(
      `${path}: expected the manifest of one model, a ClusterImageModel or an ImageModel.`,
    );
  const { files, ...spec } = model.spec;
  const pinned = digestsIn(text);
  return {
    path,
    name: model.metadata.name,
    text,
    spec,
    files: files.map(({ name, source, sha256, size }) => ({
      name,
      source,
      ...(pinned.has(name) ? { sha256, size } : {}),
    })),
    publishedDigest: model.metadata.annotations?.[PUBLISHED],
  };
}

function fileMaps(text: string): { map: YAMLMap; name: string }[] {
  const files = parseDocument(text).getIn(['spec', 'files']);
  if (!isSeq(files)) return [];
  return files.items.flatMap((item) => {
    const name: unknown = isMap(item) ? item.get('name') : undefined;
    return isMap(item) && typeof name === 'string' ? [{ map: item, name }] : [];
  });
}

/** The names of the files that have a digest of their own. */
function digestsIn(text: string): Set<string> {
  return new Set(fileMaps(text).flatMap(({ map, name }) => (map.has('sha256') ? [name] : [])));
}

/**
 * The text with the digest and size of a file added, and nothing else changed: no comment, no spacing.
 * @throws UsageError when the file stands in it in a form that cannot be added to.
 */
export function withDigest(text: string, file: string, digest: { sha256: string; size: number }): string {
  const lines = new LineCounter();
  const files = parseDocument(text, { lineCounter: lines }).getIn(['spec', 'files']);
  const map = isSeq(files) ? files.items.find((item) => isMap(item) && item.get('name') === file) : undefined;
  const source = isMap(map)
    ? map.items.find(({ key }) => isScalar(key) && key.value === 'source')
    : undefined;
  const key = source?.key;
  const value = source?.value;
  const at = isScalar(key) ? key.range?.[0] : undefined;
  const end = isScalar(value) ? value.range?.[1] : undefined;
  if (!isMap(map) || map.flow === true || at === undefined || end === undefined)
    throw new UsageError(`the file ${file} must be written as lines of its own, "name: …" and "source: …"`);
  const indent = ' '.repeat(lines.linePos(at).col - 1);
  const lineEnd = text.indexOf('\n', end);
  const place = lineEnd === -1 ? text.length : lineEnd;
  const added = `\n${indent}sha256: ${digest.sha256}\n${indent}size: ${digest.size}`;
  return text.slice(0, place) + added + text.slice(place);
}
