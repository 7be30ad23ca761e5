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
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../foundation/errors.ts';
import { freePorts } from '../../standalone/ports.ts';
import { type BuildProgress, ensureBinaries, printProgress } from '../cluster/binaries.ts';
import { attempt } from '../cluster/exec.ts';
import { apiServerArguments, etcdArguments } from './arguments.ts';
import { createClientCertificate, createServerCertificates } from './certificates.ts';
import { type ApiRequest, type Client, createClient } from './client.ts';
import { createFolder, removeLeftovers } from './folders.ts';
import type { GuardOptions, GuardReport } from './guard.ts';
import { type ClusterAccess, kubeconfigOf, readKubeconfig } from './kubeconfig.ts';

const READY_LIMIT_MS = 120_000;
const POLL_MS = 50;
/** Between choosing a free port and listening on it, somebody else may take it. */
const PORT_ATTEMPTS = 3;
export const ADMINISTRATOR = 'imageplane-admin';

/** One identity at an API server. */
export interface ApiUser {
  name: string;
  /** Path of a kubeconfig with everything inside. */
  kubeconfig: string;
  request: ApiRequest;
}

export interface ApiServer extends ApiUser {
  url: string;
  /** Milliseconds from having the binaries to being ready; undefined for a server that was there already. */
  startMs: number | undefined;
  /** Somebody without any permission but those that RBAC gives to that name or these groups. */
  addUser(name: string, groups?: readonly string[]): Promise<ApiUser>;
  /** Resolves with the reason when the server has ended, by `stop` or by itself. */
  ended: Promise<string>;
  /** Ends it; no process, port or file of it is left. May be called twice. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Hears of builds of the binaries, the first time. Default: lines on standard error. */
  onProgress?: (progress: BuildProgress) => void;
}

/**
 * Starts a server of its own on a free loopback port; several can run at once. It ends with this process at the latest.
 * The administrator is in `system:masters`.
 * @throws UsageError when the binaries are missing and cannot be built; Error with the end of a log when it does not start.
 */
export async function startApiServer(options: StartOptions = {}): Promise<ApiServer> {
  const binaries = await ensureBinaries(['etcd', 'kube-apiserver'], {
    onProgress: options.onProgress ?? printProgress,
  });
  const started = performance.now();
  await removeLeftovers();
  for (let remaining = PORT_ATTEMPTS; ; remaining -= 1) {
    try {
      return await launch(binaries, started);
    } catch (error) {
      if (remaining === 1 || !messageOf(error).includes('address already in use')) throw error;
    }
  }
}

type Binaries = Readonly<Record<'etcd' | 'kube-apiserver', string>>;

async function launch(binaries: Binaries, started: number): Promise<ApiServer> {
  const folder = await createFolder();
  const pki = join(folder, 'pki');
  const users: Client[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(users.splice(0).map((client) => client.close().catch(() => undefined)));
  };
  try {
    await createServerCertificates(pki);
    const [port = 0] = await freePorts(1, undefined, Math.random);
    const server = `https://127.0.0.1:${port}`;
    const { guard, ended } = await startGuard(folder, binaries, apiServerArguments(port, pki));

    const stop = async (): Promise<void> => {
      await close();
      if (guard.exitCode === null && guard.signalCode === null) guard.kill('SIGTERM');
      await ended;
      // The guard has done so, unless it was killed.
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    };
    const addUser = async (name: string, groups: readonly string[] = []): Promise<ApiUser> => {
      const credentials = await createClientCertificate(pki, name, groups);
      const ca = await readCa(pki);
      const user = await openUser(folder, name, { server, ca, ...credentials });
      users.push(user.client);
      return user;
    };
    try {
      const { client: _, ...administrator } = await addUser(ADMINISTRATOR, ['system:masters']);
      await untilReady(administrator.request, ended);
      const startMs = Math.round(performance.now() - started);
      return { ...administrator, url: server, startMs, addUser, ended, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  } catch (error) {
    await close();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
