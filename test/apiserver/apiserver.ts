/**
 * A real Kubernetes API for tests of definitions and controllers: etcd and kube-apiserver alone, as an ordinary user.
 *
 *     const server = await startApiServer();
 *     const { status, body } = await server.request('GET', '/api/v1/namespaces');
 *     await server.stop();
 *
 * There is no controller-manager and no node: nothing is scheduled or garbage-collected, Deployments make no pods, and a
 * deleted namespace stays Terminating. For those, see test/cluster.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../foundation/errors.ts';
import { freePorts } from '../../standalone/ports.ts';
import { type BuildProgress, ensureBinaries, printProgress } from '../cluster/binaries.ts';
import { apiServerArguments, etcdArguments } from './arguments.ts';
import { createClientCertificate, createServerCertificates } from './certificates.ts';
import { type ApiRequest, type Client, createClient } from './client.ts';
import { createFolder, removeLeftovers } from './folders.ts';
import { type ClusterAccess, kubeconfigOf, readKubeconfig } from './kubeconfig.ts';
import { startGuarded } from './processes.ts';

export type { Answer, ApiRequest } from './client.ts';

const READY_LIMIT_MS = 120_000;
const POLL_MS = 50;
/** Between choosing a free port and listening on it, somebody else may take it. */
const PORT_ATTEMPTS = 3;
const ADMINISTRATOR = 'imageplane-admin';

/** One identity at an API server. */
export interface ApiUser {
  /** Path of a kubeconfig file. */
  kubeconfig: string;
  request: ApiRequest;
}

/** An API server, and an administrator's identity at it. */
export interface ApiServer extends ApiUser {
  url: string;
  /** Milliseconds from having the binaries to being ready; undefined for a server that was there already. */
  startMs: number | undefined;
  /** Somebody with the permissions that RBAC gives to that name, to these groups and to everyone. */
  addUser(name: string, groups?: readonly string[]): Promise<ApiUser>;
  /** Resolves with the reason when a server of ours has ended, by `stop` or by itself. */
  ended: Promise<string>;
  /** Ends a server of ours; no process, port or file of it is left. Any other server is only let go. */
  stop(): Promise<void>;
}

/**
 * Starts a server of its own on a free loopback port; several can run at once. It ends with this process at the latest.
 * Its administrator is in the group system:masters. The first time the binaries are built, which takes minutes and
 * `onProgress` hears of.
 * @throws UsageError when the binaries are missing and cannot be built; Error with the end of a log when it does not start.
 */
export async function startApiServer(
  onProgress: (progress: BuildProgress) => void = printProgress,
): Promise<ApiServer> {
  const binaries = await ensureBinaries(['etcd', 'kube-apiserver'], { onProgress });
  const started = performance.now();
  await removeLeftovers();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await launch(binaries, started);
    } catch (error) {
      if (attempt === PORT_ATTEMPTS || !messageOf(error).includes('address already in use')) throw error;
    }
  }
}

/**
 * The server of a kubeconfig that somebody else runs. `addUser` impersonates there, which an administrator may do.
 * @throws UsageError when the kubeconfig cannot be used; Error when the server does not answer.
 */
export async function connectApiServer(kubeconfig: string): Promise<ApiServer> {
  const access = await readKubeconfig(kubeconfig);
  const folder = await createFolder();
  const users = createUsers(folder);
  const ended = Promise.withResolvers<string>();
  const stop = async (): Promise<void> => {
    await users.close();
    await rm(folder, { recursive: true, force: true });
    ended.resolve('it was let go');
  };
  try {
    const administrator = await users.open(access);
    const { status } = await administrator.request('GET', '/version');
    if (status !== 200) throw new Error(`${access.server} answers /version with status ${status}`);
    return {
      ...administrator,
      url: access.server,
      startMs: undefined,
      addUser: (user, groups = []) => users.open({ ...access, impersonate: { user, groups } }),
      ended: ended.promise,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function launch(
  binaries: Readonly<Record<'etcd' | 'kube-apiserver', string>>,
  started: number,
): Promise<ApiServer> {
  const folder = await createFolder();
  const pki = join(folder, 'pki');
  const users = createUsers(folder);
  const cleanUp = async (): Promise<void> => {
    await users.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const [[port = 0]] = await Promise.all([freePorts(1, Math.random), createServerCertificates(pki)]);
    const url = `https://127.0.0.1:${port}`;
    const { guard, ended } = await startGuarded(folder, [
      { name: 'etcd', command: binaries.etcd, args: etcdArguments() },
      { name: 'kube-apiserver', command: binaries['kube-apiserver'], args: apiServerArguments(port, pki) },
    ]);
    const stop = async (): Promise<void> => {
      guard.kill('SIGTERM');
      await ended;
      // The guard has removed the folder, unless it was killed.
      await cleanUp();
    };
    const addUser = async (name: string, groups: readonly string[] = []): Promise<ApiUser> => {
      const ca = await readFile(join(pki, 'ca.crt'), 'utf8');
      return users.open({ server: url, ca, ...(await createClientCertificate(pki, name, groups)) });
    };
    try {
      const administrator = await addUser(ADMINISTRATOR, ['system:masters']);
      await untilReady(administrator.request, ended);
      const startMs = Math.round(performance.now() - started);
      return { ...administrator, url, startMs, addUser, ended, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/** Identities with a kubeconfig in `folder` and a connection each, closed together. */
function createUsers(folder: string): {
  open(access: ClusterAccess): Promise<ApiUser>;
  close(): Promise<void>;
} {
  const clients: Client[] = [];
  let count = 0;
  return {
    async open(access) {
      count += 1;
      const kubeconfig = join(folder, `kubeconfig-${count}`);
      await writeFile(kubeconfig, kubeconfigOf(access, 'imageplane-test'), { mode: 0o600, flag: 'wx' });
      const client = createClient(access);
      clients.push(client);
      return { kubeconfig, request: client.request };
    },
    async close() {
      await Promise.all(clients.splice(0).map((client) => client.close()));
    },
  };
}

async function untilReady(request: ApiRequest, ended: Promise<string>): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  let problem = 'no answer';
  let end: string | undefined;
  void ended.then((reason) => (end = reason));
  while (performance.now() < deadline) {
    if (end !== undefined) throw new Error(`The API server did not start: ${end}`);
    try {
      const { status, body } = await request('GET', '/readyz');
      if (status === 200) return;
      problem = typeof body === 'string' ? body : JSON.stringify(body);
    } catch (error) {
      problem = messageOf(error);
    }
    await sleep(POLL_MS);
  }
  throw new Error(`The API server was not ready after ${READY_LIMIT_MS / 1000} s: ${problem}`);
}
