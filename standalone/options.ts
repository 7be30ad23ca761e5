import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, UsageError } from '../foundation/errors.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Options {
  /** 0: any free one. */
  port: number;
  host: '127.0.0.1' | '::1';
  dataDir: string;
  cacheDir: string;
  /** YAML files and folders. */
  objects: string[];
  /** File of the providers with whom people may sign in. */
  identityProviders: string | undefined;
  logLevel: LogLevel;
  offline: boolean;
}

/** What the outside says besides the arguments. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  /** The folder that relative paths count from. */
  cwd: string;
  /** The folder of package.json. */
  checkout: string;
  root: boolean;
}

const DEFAULT_PORT = 8080;

/** Where data and caches go when nothing is said: the system's places for root, the user's (XDG) for others. */
export function defaultFolders({ env, root }: Pick<Surroundings, 'env' | 'root'>): {
  data: string;
  cache: string;
} {
  if (root) return { data: '/var/lib/imageplane', cache: '/var/cache/imageplane' };
  const home = env['HOME'] ?? homedir();
  return {
    data: join(absolute(env['XDG_DATA_HOME']) ?? join(home, '.local', 'share'), 'imageplane'),
    cache: join(absolute(env['XDG_CACHE_HOME']) ?? join(home, '.cache'), 'imageplane'),
  };
}

/** The XDG specification: relative paths are not to be used. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/** @throws UsageError naming the option and what it takes. */
export function parseOptions(argv: string[], surroundings: Surroundings): Options | 'help' {
  const { env, cwd, checkout } = surroundings;
  refuseWhatNpmKept(argv, env);
  const values = parse(argv);
  if (values.help === true) return 'help';
  const folders = defaultFolders(surroundings);
  const folder = (given: string | undefined, variable: string, fallback: string): string => {
    const path = given ?? env[variable];
    return path === undefined || path === '' ? fallback : resolve(cwd, path);
  };
  return {
    port: portOf(values.port),
    host: hostOf(values.host),
    dataDir: folder(values['data-dir'], 'IMAGEPLANE_DATA', folders.data),
    cacheDir: folder(values['cache-dir'], 'IMAGEPLANE_CACHE', folders.cache),
    objects: (values.objects ?? [join(checkout, 'examples'), join(checkout, 'models')]).map((path) =>
      resolve(cwd, path),
    ),
    identityProviders:
      values['identity-providers'] === undefined ? undefined : resolve(cwd, values['identity-providers']),
    logLevel: logLevelOf(values['log-level']),
    offline: values.offline === true,
  };
}

/** `npm start --port 1` without the dashes between gives the option to npm, which would ignore it in silence. */
function refuseWhatNpmKept(argv: string[], env: Surroundings['env']): void {
  const names = ['port', 'host', 'data-dir', 'cache-dir', 'objects', 'identity-providers', 'log-level'];
  for (const name of names) {
    const kept = env[`npm_config_${name.replaceAll('-', '_')}`];
    if (kept === undefined || argv.some((argument) => argument.startsWith('-'))) continue;
    // What npm does not know it takes for a flag, and hands on the value alone.
    const value = kept === 'true' ? argv.join(' ') : kept;
    throw new UsageError(`npm took --${name} for itself. Write: npm start -- --${name} ${value}`);
  }
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        port: { type: 'string' },
        host: { type: 'string' },
        'data-dir': { type: 'string' },
        'cache-dir': { type: 'string' },
        objects: { type: 'string', multiple: true },
        'identity-providers': { type: 'string' },
        'log-level': { type: 'string' },
        offline: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${messageOf(error)}\nnpm start -- --help says which options there are.`);
  }
}

function portOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_PORT;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new UsageError(`--port ${text}: a port is a number from 1 to 65535, or 0 for any free one.`);
  return port;
}

function hostOf(text: string | undefined): Options['host'] {
  if (text === undefined || text === 'localhost' || text === '127.0.0.1') return '127.0.0.1';
  if (text === '::1' || text === '[::1]') return '::1';
  throw new UsageError(
    `--host ${text}: only loopback (127.0.0.1, ::1, localhost) is served. Keys and pictures would cross the network ` +
      'unencrypted, and every process beside the gateway trusts this machine. To serve others, put a proxy with TLS in ' +
      'front of it, or install Imageplane on Kubernetes.',
  );
}

function logLevelOf(text: string | undefined): LogLevel {
  const level = LOG_LEVELS.find((known) => known === (text ?? 'info'));
  if (level === undefined)
    throw new UsageError(`--log-level ${text ?? ''}: one of ${LOG_LEVELS.join(', ')}.`);
  return level;
}

export function helpText(surroundings: Surroundings): string {
  const { data, cache } = defaultFolders(surroundings);
  return `Starts Imageplane on this machine: the gateway on loopback; API, inference servers and Postgres on sockets in the data
folder, which other accounts of the machine cannot enter.

Usage: npm start -- [options]

  --port PORT        Port of the gateway; 0 takes any free one. Default: ${DEFAULT_PORT}.
  --host ADDRESS     127.0.0.1, ::1 or localhost. Nothing else is served. Default: 127.0.0.1.
  --data-dir FOLDER  Database, keys, logs.
                     Default: IMAGEPLANE_DATA, else ${data}.
  --cache-dir FOLDER Model files, which can be fetched again.
                     Default: IMAGEPLANE_CACHE, else ${cache}.
  --objects PATH     A YAML file, or a folder of them, with tenants, services and models. May be given several times.
                     Default: examples/ and models/ of the checkout.
  --identity-providers FILE
                     A YAML or JSON file with the list of providers with whom people may sign in: docs/sign-in.md.
  --offline          Fetch nothing: every model must be in the cache already.
  --log-level LEVEL  ${LOG_LEVELS.join(', ')}. Default: info. debug also prints how long each phase took.
  -h, --help         This text.

Relative paths count from the folder in which npm start was run. Ctrl-C stops everything; a second one does so at once.
Exit codes: 0 stopped as asked, 1 failed, 2 something to correct in the options, the YAML or the machine.
`;
}
