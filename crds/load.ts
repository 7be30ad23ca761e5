import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, UsageError } from '../foundation/errors.ts';
import { readCrds } from './crd.ts';
import { crossCheck, type Objects } from './cross-checks.ts';
import type { ImageplaneObject } from './generated.ts';
import { type Path, pathText } from './path.ts';
import { unpinnedModel, withPlaceholders } from './unpinned.ts';
import { createValidator, type Validate } from './validation.ts';
import { type Position, readYaml, type YamlDocument } from './yaml-source.ts';

export type { Objects } from './cross-checks.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;
const MAX_PROBLEMS_SHOWN = 100;

/** A problem as it is printed. */
interface LocatedProblem extends Position {
  file: string;
  message: string;
}

interface ReadObject {
  object: ImageplaneObject;
  /** A model with a file that has no digest: it is held to the schema, and is there for nobody. */
  unpinned: boolean;
  file: string;
  document: YamlDocument;
}

/**
 * Reads objects from YAML files and from the `.yaml` and `.yml` files of folders (not of folders within), checks them
 * by the definitions' own schemas and against each other, and fills in defaults.
 * @throws UsageError with every problem, as `FILE:LINE:COLUMN: FIELD: what is wrong; what is allowed`.
 */
export async function loadObjects(paths: readonly string[]): Promise<Objects> {
  const problems: LocatedProblem[] = [];
  const files = (await Promise.all(paths.map((path) => filesOf(path, problems)))).flat();
  const texts = await Promise.all(
    [...new Set(files)].map(async (file) => ({ file, text: await readText(file, problems) })),
  );
  return parseObjects(
    texts.flatMap(({ file, text }) => (text === undefined ? [] : [{ file, text }])),
    createValidator(await readCrds()),
    problems,
  );
}

/**
 * As `loadObjects`, of texts already read. `problems` holds what went wrong until here.
 * @throws UsageError with every problem.
 */
export function parseObjects(
  texts: readonly { file: string; text: string }[],
  validate: Validate,
  problems: LocatedProblem[] = [],
): Objects {
  const read = texts.flatMap(({ file, text }) => readObjects(file, text, validate, problems));
  checkUnique(read, problems);
  const objects = byKind(read);
  // An object that is wrong is not there for the others, and would have them blamed for it.
  if (problems.length === 0) {
    const sources = new Map(read.map((source) => [source.object, source]));
    crossCheck(objects, (object, { path, at, message }) => {
      const source = sources.get(object);
      if (source !== undefined) problems.push(located(source, path, at, message));
    });
  }
  if (problems.length > 0) throw new UsageError(report(problems));
  return objects;
}

async function filesOf(path: string, problems: LocatedProblem[]): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = (await readdir(path)).filter((name) => /\.ya?ml$/.test(name)).sort();
    if (names.length === 0)
      problems.push({
        file: path,
        line: 1,
        column: 1,
        message: 'the folder has no .yaml file; name another',
      });
    return names.map((name) => join(path, name));
  } catch (error) {
    problems.push({ file: path, line: 1, column: 1, message: `cannot be read: ${messageOf(error)}` });
    return [];
  }
}

async function readText(file: string, problems: LocatedProblem[]): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size <= MAX_FILE_BYTES) return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
    const message = `has ${size} bytes, and at most ${MAX_FILE_BYTES} are read; split the file`;
    problems.push({ file, line: 1, column: 1, message });
  } catch (error) {
    const message = `cannot be read as UTF-8 text: ${messageOf(error)}`;
    problems.push({ file, line: 1, column: 1, message });
  }
  return undefined;
}

function readObjects(
  file: string,
  text: string,
  validate: Validate,
  problems: LocatedProblem[],
): ReadObject[] {
  const yaml = readYaml(text);
  problems.push(...yaml.problems.map((problem) => ({ file, ...problem })));
  return yaml.documents.flatMap((document) => {
    const unpinned = unpinnedModel(document.value);
    const result = validate(unpinned ? withPlaceholders(document.value) : document.value);
    if (result.ok) return [{ object: result.object, unpinned, file, document }];
    for (const { path, at, message } of result.problems)
      problems.push(located({ file, document }, path, at, message));
    return [];
  });
}

function located(
  source: Pick<ReadObject, 'file' | 'document'>,
  path: Path,
  at: 'key' | 'value',
  message: string,
): LocatedProblem {
  const where = path.length === 0 ? '' : `${pathText(path)}: `;
  return { file: source.file, ...source.document.positionOf(path, at), message: `${where}${message}` };
}

function checkUnique(read: ReadObject[], problems: LocatedProblem[]): void {
  const seen = new Map<string, ReadObject>();
  for (const source of read) {
    const { kind, metadata } = source.object;
    const namespace = 'namespace' in metadata ? metadata.namespace : '';
    const key = `${kind} ${namespace}/${metadata.name}`;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, source);
    else {
      const { line } = first.document.positionOf(['metadata', 'name'], 'value');
      const message = `the ${kind} ${metadata.name} stands already at ${first.file}:${line}; remove one, or give it another name`;
      problems.push(located(source, ['metadata', 'name'], 'value', message));
    }
  }
}

function byKind(read: ReadObject[]): Objects {
  const objects: Objects = {
    tenants: [],
    imageServices: [],
    imageModels: [],
    clusterImageModels: [],
    unpinnedModels: [],
  };
  for (const { object, unpinned, file } of read) {
    if (unpinned && (object.kind === 'ImageModel' || object.kind === 'ClusterImageModel')) {
      objects.unpinnedModels.push({ kind: object.kind, metadata: object.metadata, file });
      continue;
    }
    switch (object.kind) {
      case 'Tenant':
        objects.tenants.push(object);
        break;
      case 'ImageService':
        objects.imageServices.push(object);
        break;
      case 'ImageModel':
        objects.imageModels.push(object);
        break;
      case 'ClusterImageModel':
        objects.clusterImageModels.push(object);
        break;
    }
  }
  return objects;
}

/** One line a problem, in the order of the files and of their lines. */
function report(problems: LocatedProblem[]): string {
  const order = [...new Set(problems.map(({ file }) => file))];
  const sorted = problems.toSorted(
    (a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
  const lines = [
    ...new Set(sorted.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`)),
  ];
  const more = lines.length - MAX_PROBLEMS_SHOWN;
  return [...lines.slice(0, MAX_PROBLEMS_SHOWN), ...(more > 0 ? [`and ${more} more problems`] : [])].join(
    '\n',
  );
}
