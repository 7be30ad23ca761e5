import { type ChildProcess, execFile, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UsageError } from '../../foundation/errors.ts';
import { type Account, obstacle, serverAccount } from './account.ts';
import { type Binaries, findBinaries, runnableBinaries } from './binaries.ts';
import type { GuardOptions } from './guard.ts';
import {
  isAlive,
  POSTGRES_PORT,
  postmasterState,
  signalProcess,
  stopStalePostmaster,
  waitUntil,
} from './postmaster.ts';

const run = promisify(execFile);

const SUPERUSER = 'postgres';
const READY_LIMIT_MS = 60_000;

export interface PostgresOptions {
  /** The cluster's folder; made when it is missing. As root, its parents must be open to the user `postgres`. */
  dataDir: string;
  /** Where a copy of the binaries goes when the server's user cannot reach the installed ones. */
  cacheDir: string;
  logFile: string;
  /** The superuser's password: used when the cluster is made. */
  password: string;
  /** Further settings of postgresql.conf. */
  settings?: Record<string, string>;
  /** Of the guard and the server; default: this process' own. */
  environment?: NodeJS.ProcessEnv;
}

export interface PostgresServer {
  /** The folder of its socket, which clients take for a host. */
  host: string;
  port: number;
  superuser: string;
  password: string;
  /** Resolves when server and guard have ended, for whatever reason. */
  exited: Promise<void>;
  /** A fast shutdown: clients are cut off, nothing committed is lost. */
  stop(): Promise<void>;
  /** Sends a signal to the postmaster itself, as a fault would. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/**
 * Starts the embedded server, and makes its cluster before when there is none. Resolves once it takes connections, which
 * it does on a socket in its own folder alone: other accounts of the machine can neither connect nor pose as the server.
 * What an earlier run left running on the same folder is stopped first.
 * @throws UsageError when this machine cannot run it; Error with the end of the log when it does not come up.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const account = await serverAccount();
  const binaries = await runnableBinaries(await findBinaries(), account, options.cacheDir);
  await prepareCluster(options, binaries, account);
  return launch(options, binaries, account);
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function prepareCluster(
  options: PostgresOptions,
  binaries: Binaries,
  account: Account | undefined,
): Promise<void> {
  const { dataDir } = options;
  const parent = dirname(dataDir);
  await mkdir(parent, { recursive: true });
  if (account !== undefined) {
    const closed = await obstacle(parent, account);
    if (closed !== undefined)
      throw new UsageError(
        `Postgres runs as the user "${account.name}", which may not pass through ${closed}.\n` +
          'Choose another folder by --data-dir (IMAGEPLANE_DATA), or open this one: chmod o+x.',
      );
  }
  if (await exists(join(dataDir, 'PG_VERSION'))) await assertSameMajor(dataDir, binaries);
  else await createCluster(options, binaries, account);
  await stopStalePostmaster(dataDir);
}

async function assertSameMajor(dataDir: string, binaries: Binaries): Promise<void> {
  const major = (await readFile(join(dataDir, 'PG_VERSION'), 'utf8')).trim();
  if (major !== binaries.version.split('.', 1)[0])
    throw new UsageError(
      `${dataDir} was made by Postgres ${major}; this checkout has ${binaries.version}. ` +
        'Give another --data-dir, or start the checkout that made it.',
    );
}

/** Made under another name and renamed: an interrupted start leaves no half cluster behind. */
async function createCluster(
  options: PostgresOptions,
  binaries: Binaries,
  account: Account | undefined,
): Promise<void> {
  const temporary = `${options.dataDir}.new`;
  const passwordFile = `${options.dataDir}.password`;
  await Promise.all([rm(temporary, { recursive: true, force: true }), rm(passwordFile, { force: true })]);
  await mkdir(temporary, { mode: 0o700 });
  try {
    await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600, flag: 'wx' });
    if (account !== undefined) {
      await chown(temporary, account.uid, account.gid);
      await chown(passwordFile, account.uid, account.gid);
    }
    await run(
      join(binaries.native, 'bin', 'initdb'),
      [
        `--pgdata=${temporary}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        '--data-checksums',
        '--no-instructions',
      ],
      { cwd: '/', env: { ...process.env, LC_ALL: 'C' }, ...ids(account) },
    );
    await rename(temporary, options.dataDir);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(temporary, { recursive: true, force: true });
  }
}

const ids = (account: Account | undefined): { uid?: number; gid?: number } =>
  account === undefined ? {} : { uid: account.uid, gid: account.gid };

function serverArguments(options: PostgresOptions): string[] {
  const settings: Record<string, string> = {
    listen_addresses: '',
    port: String(POSTGRES_PORT),
    unix_socket_directories: options.dataDir,
    max_connections: '100',
    log_line_prefix: '%m [%p] ',
    ...options.settings,
  };
  return [
    '-D',
    options.dataDir,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}

async function launch(
  options: PostgresOptions,
  binaries: Binaries,
  account: Account | undefined,
): Promise<PostgresServer> {
  const guardOptions: GuardOptions = {
    command: join(binaries.native, 'bin', 'postgres'),
    args: serverArguments(options),
    logFile: options.logFile,
    ...(account === undefined ? {} : { account: { uid: account.uid, gid: account.gid } }),
  };
  const guard = fork(fileURLToPath(new URL('./guard.ts', import.meta.url)), [JSON.stringify(guardOptions)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: options.environment ?? process.env,
  });
  const exited = ended(guard, options.dataDir);
  const guardState = { over: false };
  void exited.then(() => {
    guardState.over = true;
  });
  await waitUntil(async () => guardState.over || (await acceptsConnections(options.dataDir)), READY_LIMIT_MS);
  if (guardState.over || !(await acceptsConnections(options.dataDir))) {
    guard.kill('SIGTERM');
    await exited;
    throw new Error(
      `Postgres did not start. The end of ${options.logFile}:\n${await lastLines(options.logFile, 8)}`,
    );
  }
  return {
    host: options.dataDir,
    port: POSTGRES_PORT,
    superuser: SUPERUSER,
    password: options.password,
    exited,
    async stop() {
      guard.kill('SIGTERM');
      await exited;
    },
    async kill(signal) {
      const state = await postmasterState(options.dataDir);
      if (state === undefined) return;
      signalProcess(state.pid, signal);
      if (['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGKILL'].includes(signal)) await exited;
    },
  };
}

async function acceptsConnections(dataDir: string): Promise<boolean> {
  const state = await postmasterState(dataDir);
  return state?.status === 'ready' && isAlive(state.pid);
}

/** Should the guard itself be killed, the server is left without one: it is stopped here. */
async function ended(guard: ChildProcess, dataDir: string): Promise<void> {
  await new Promise<void>((resolve) => {
    guard.once('exit', () => {
      resolve();
    });
    guard.once('error', () => {
      resolve();
    });
  });
  await stopStalePostmaster(dataDir);
}

async function lastLines(path: string, count: number): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-count).join('\n');
}

/** A password of 192 random bits, in characters that need no quoting anywhere. */
export function randomPassword(): string {
  return randomBytes(24).toString('base64url');
}

/** Lets the server's user pass through `folder` without reading it. */
export async function allowPassage(folder: string): Promise<void> {
  if (process.getuid?.() === 0) await chmod(folder, 0o711);
}
