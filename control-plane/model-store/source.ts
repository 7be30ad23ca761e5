import { isAbsolute, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Source =
  | { kind: 'https'; url: URL }
  | { kind: 'file'; path: string }
  | {
      kind: 'npm';
      /** `name@version`, the version exact. */
      package: string;
      /** Inside the package, without `./` or `..`. */
      path: string;
      /** When `path` is an index of chunks: which of its members. */
      member: string | undefined;
    };

const FORMS =
  'https://HOST/PATH, file:PATH, or npm:PACKAGE@VERSION/PATH, with #MEMBER when PATH is an index of chunks';
const NPM =
  /^npm:(?<name>(?:@[a-z0-9][a-z0-9._~-]*\/)?[a-z0-9][a-z0-9._~-]*)@(?<version>\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?)\/(?<path>[^#]+)(?:#(?<member>.+))?$/;

/** Whether the source gave something else, has nothing there, or could not be read at all. */
export type SourceFailure = 'mismatch' | 'missing' | 'failed';

export class SourceError extends Error {
  readonly failure: SourceFailure;

  constructor(source: string, problem: string, failure: SourceFailure = 'failed') {
    super(`${source}: ${problem}`);
    this.name = 'SourceError';
    this.failure = failure;
  }
}

/**
 * Reads where a model file comes from. A relative `file:` path counts from `base`.
 * @throws SourceError saying which forms there are.
 */
export function parseSource(text: string, base: string): Source {
  if (text.startsWith('npm:')) return npmSource(text);
  if (text.startsWith('file:')) return { kind: 'file', path: filePath(text, base) };
  if (!URL.canParse(text)) throw new SourceError(text, `not a source. Write ${FORMS}.`);
  const url = new URL(text);
  if (url.protocol !== 'https:')
    throw new SourceError(text, `${url.protocol} is not a source that is fetched from. Write ${FORMS}.`);
  if (url.username !== '' || url.password !== '')
    throw new SourceError(url.host, 'a source holds no user name and no password.');
  return { kind: 'https', url };
}

function npmSource(text: string): Source {
  const { name, version, path, member } = NPM.exec(text)?.groups ?? {};
  if (name === undefined || version === undefined || path === undefined)
    throw new SourceError(text, 'an npm source is npm:PACKAGE@VERSION/PATH with an exact version.');
  if (!isInside(path)) throw new SourceError(text, `the path ${path} leaves the package.`);
  return { kind: 'npm', package: `${name}@${version}`, path, member };
}

function isInside(path: string): boolean {
  return (
    posix.normalize(path) === path &&
    !isAbsolute(path) &&
    path !== '..' &&
    !path.startsWith('../') &&
    !path.includes('\\')
  );
}

function filePath(text: string, base: string): string {
  if (text.startsWith('file://')) {
    try {
      return fileURLToPath(text);
    } catch {
      throw new SourceError(text, 'a file URL is file:///ABSOLUTE/PATH, without a host.');
    }
  }
  return resolve(base, text.slice('file:'.length));
}
