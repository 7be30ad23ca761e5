import { execFile, spawn } from 'node:child_process';
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { z } from 'zod';
import { configFromArguments, readSecret } from '../../foundation/config.ts';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import { createLogger } from '../../foundation/logger.ts';
import { findBinaries } from './binaries.ts';
import { DATABASE, GATEWAY, OWNER, prepareDatabase } from './roles.ts';

/**
 * The Postgres of a trial in a container of its own: one server, one volume, no replica, no backup, no TLS. Roles and
 * database are prepared while it listens on loopback alone; only then it is started for everyone.
 */
const containerConfig = z.strictObject({
  dataDir: z.string().min(1),
  port: z.int().min(1).max(65_535).default(5432),
  maxConnections: z.int().min(10).max(1000).default(60),
  passwordFiles: z.strictObject({
    superuser: z.string().min(1),
    owner: z.string().min(1),
    gateway: z.string().min(1),
  }),
});
type ContainerConfig = z.infer<typeof containerConfig>;

const HOST = '127.0.0.1';
const SUPERUSER = 'postgres';
const READY_LIMIT_MS = 60_000;

/** The superuser is let in from inside the container alone. */
const HBA = `host all ${SUPERUSER} ${HOST}/32 scram-sha-256
host ${DATABASE} ${OWNER} all scram-sha-256
host ${DATABASE} ${GATEWAY} all scram-sha-256
`;

interface Server {
  ended: Promise<number>;
  signal: (signal: NodeJS.Signals) => void;
}

const logger = createLogger('trial-postgres', 'info');
let current: Server | undefined;
let stopping = false;
process.on('SIGTERM', () => {
  stopping = true;
  // A fast shutdown: clients are cut off, nothing committed is lost.
  current?.signal('SIGINT');
});

try {
  const config = await configFromArguments(
    containerConfig,
    process.argv.slice(2),
    'standalone/postgres/container.ts',
  );
  process.exitCode = await run(config);
} catch (error) {
  logger.fatal(error instanceof UsageError ? error.message : { err: error });
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run(config: ContainerConfig): Promise<number> {
  const { passwordFiles } = config;
  const [password, owner, gateway] = await Promise.all([
    readSecret(passwordFiles.superuser),
    readSecret(passwordFiles.owner),
    readSecret(passwordFiles.gateway),
  ]);
  const { native } = await findBinaries();
  const data = join(config.dataDir, 'data');
  if (!(await exists(join(data, 'PG_VERSION')))) await createCluster(native, data, password);
  const hba = join(config.dataDir, 'pg_hba.conf');
  await writeFile(hba, HBA, { mode: 0o600 });
  // What a killed container left behind names a process that is not here.
  await rm(join(data, 'postmaster.pid'), { force: true });

  const preparing = launch(native, data, hba, { ...config, host: HOST });
  current = preparing;
  try {
    await ready({ port: config.port, password }, preparing.ended);
    await prepareDatabase(
      { host: HOST, port: config.port, superuser: SUPERUSER, password },
      { owner, gateway },
    );
  } finally {
    preparing.signal('SIGINT');
    await preparing.ended;
  }
  if (isStopping()) return 0;
  current = launch(native, data, hba, { ...config, host: '*' });
  logger.info({ port: config.port }, 'serving');
  const code = await current.ended;
  return isStopping() ? 0 : Math.max(1, code);
}

/** A function, so that the compiler does not take it for unchanging. */
function isStopping(): boolean {
  return stopping;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Made under another name and renamed: an interrupted start leaves no half cluster behind. */
async function createCluster(native: string, data: string, password: string): Promise<void> {
  const temporary = `${data}.new`;
  const passwordFile = `${data}.password`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(dirname(data), { recursive: true });
  try {
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    const { stdout } = await promisify(execFile)(
      join(native, 'bin', 'initdb'),
      [
        ...[`--pgdata=${temporary}`, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`],
        ...['--auth=scram-sha-256', '--encoding=UTF8', '--locale-provider=builtin'],
        ...['--builtin-locale=C.UTF-8', '--locale=C', '--data-checksums', '--no-instructions'],
      ],
      { cwd: '/', env: { ...process.env, LC_ALL: 'C' } },
    );
    logger.info({ initdb: stdout.trim().split('\n').at(-1) }, 'the cluster was made');
    await rename(temporary, data);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(temporary, { recursive: true, force: true });
  }
}

function launch(
  native: string,
  data: string,
  hba: string,
  { host, port, maxConnections }: { host: string; port: number; maxConnections: number },
): Server {
  const settings = {
    listen_addresses: host,
    port: String(port),
    unix_socket_directories: '',
    hba_file: hba,
    max_connections: String(maxConnections),
    // Shared memory of a container is 64 MB; this kind needs none of /dev/shm.
    dynamic_shared_memory_type: 'mmap',
    log_line_prefix: '%m [%p] ',
  };
  const child = spawn(
    join(native, 'bin', 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { cwd: '/', stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, LC_ALL: 'C' } },
  );
  const ended = new Promise<number>((resolve) => {
    child.once('error', (error) => {
      logger.error({ err: error }, 'the server could not be started');
      resolve(1);
    });
    child.once('exit', (code) => {
      resolve(code ?? 1);
    });
  });
  return { ended, signal: (signal) => child.kill(signal) };
}

async function ready(server: { port: number; password: string }, ended: Promise<number>): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  let over: number | undefined;
  void ended.then((code) => {
    over = code;
  });
  let reason = 'no answer';
  while (performance.now() < deadline && over === undefined) {
    const client = new pg.Client({ host: HOST, user: SUPERUSER, database: 'postgres', ...server });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      reason = messageOf(error);
      if (/password authentication failed/.test(reason))
        throw new UsageError(
          'The volume was made with another password than the Secret now has. Restore the Secret, or delete the ' +
            'volume claim of the trial database and all that is in it.',
        );
      await delay(100);
    }
  }
  throw new Error(`The server did not start: ${over === undefined ? reason : `it ended with ${over}`}`);
}
