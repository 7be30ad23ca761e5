import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DATABASE, GATEWAY, OWNER, prepareDatabase } from '../../standalone/postgres/roles.ts';
import {
  allowPassage,
  type PostgresOptions,
  type PostgresServer,
  randomPassword,
  startPostgres as startServer,
} from '../../standalone/postgres/server.ts';

export interface TestPostgres {
  host: string;
  port: number;
  superuser: string;
  password: string;
  /** Exists, empty, with the roles that standalone makes. */
  database: string;
  owner: { user: string; password: string };
  gateway: { user: string; password: string };
  /** The end: stops the server and removes its folder. */
  stop(): Promise<void>;
  /** Signals the postmaster. SIGINT, SIGTERM, SIGQUIT and SIGKILL resolve once the whole server is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it on the same folder, after `kill`; stops it before, if it runs. */
  restart(): Promise<void>;
}

/** A real server of its own in a temporary folder, on a socket of its own. Ends with the test process at the latest. */
export async function startPostgres(): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-test-postgres-'));
  await allowPassage(folder);
  const options: PostgresOptions = {
    dataDir: join(folder, 'data'),
    cacheDir: join(tmpdir(), `imageplane-test-cache-${process.getuid?.() ?? 0}`),
    logFile: join(folder, 'postgres.log'),
    password: randomPassword(),
    // The processes are killed in tests, the machine is not.
    settings: { fsync: 'off', full_page_writes: 'off' },
  };
  const owner = { user: OWNER, password: randomPassword() };
  const gateway = { user: GATEWAY, password: randomPassword() };
  let server: PostgresServer = await startServer(options);
  await prepareDatabase(server, { owner: owner.password, gateway: gateway.password });
  return {
    host: server.host,
    port: server.port,
    superuser: server.superuser,
    password: server.password,
    database: DATABASE,
    owner,
    gateway,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
    kill: (signal) => server.kill(signal),
    async restart() {
      await server.stop();
      server = await startServer(options);
    },
  };
}
