import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../foundation/errors.ts';
import { type Api, openApi, waitFor } from '../cluster/api.ts';
import { ensureBinaries, printProgress } from '../cluster/binaries.ts';
import { createAuthority, createCertificate, createTokenKey } from '../cluster/certificates.ts';
import { writeKubeconfig } from '../cluster/kubeconfig.ts';
import { freePorts } from '../support/program.ts';
import type { GuardOrder } from './guard.ts';

const GUARD = fileURLToPath(new URL('guard.ts', import.meta.url));
const READY_LIMIT_MS = 60_000;
/** Between choosing free ports and listening on them, somebody else may take one. */
const ATTEMPTS = 3;

export interface ApiServer {
  url: string;
  /** Of an administrator. */
  kubeconfig: string;
  /** As that administrator. */
  api: Api;
  /** A kubeconfig of another user. */
  addUser(name: string, group?: string): Promise<string>;
  /** Ends both processes and removes their folder; so does the end of this process, however it comes. */
  stop(): Promise<void>;
}

/**
 * etcd and kube-apiserver alone, on free loopback ports: for CRDs and operators, which need no node. Needs no root;
 * several run side by side. There is no controller manager: nothing is garbage collected, no Deployment rolls out.
 */
export async function startApiServer(): Promise<ApiServer> {
  const binaries = await ensureBinaries(['etcd', 'kube-apiserver'], { onProgress: printProgress });
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(binaries);
    } catch (error) {
      if (attempt === ATTEMPTS || !/address already in use/.test(messageOf(error))) throw error;
    }
  }
}

async function launch(binaries: Record<'etcd' | 'kube-apiserver', string>): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-apiserver-'));
  const ports = await freePorts('etcd', 'peer', 'api');
  const url = `https://127.0.0.1:${ports.api}`;
  await makeCertificates(folder);
  const guard = fork(GUARD, [], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const gone = new Promise<void>((resolve) =>
    guard.once('exit', () => {
      resolve();
    }),
  );
  const api = await openApi(url, folder);
  const stop = async (): Promise<void> => {
    api.close();
    if (guard.connected) guard.disconnect();
    await gone;
  };
  try {
    guard.send({ folder, programs: programsOf(binaries, folder, ports) } satisfies GuardOrder);
    await waitFor(
      'the API server to be ready',
      READY_LIMIT_MS,
      async () => ((await api.call('GET', '/readyz')).status === 200 ? true : undefined),
      () => assertAlive(guard, folder),
    );
    const addUser = async (name: string, group?: string): Promise<string> => {
      const identity = group === undefined ? {} : { group };
      await createCertificate(folder, 'ca', { name, commonName: name, ...identity });
      const file = join(folder, `${name}.kubeconfig`);
      await writeKubeconfig(file, { server: url, pki: folder, user: name, context: 'apiserver' });
      return file;
    };
    const kubeconfig = join(folder, 'kubeconfig');
    await writeKubeconfig(kubeconfig, { server: url, pki: folder, user: 'admin', context: 'apiserver' });
    return { url, kubeconfig, api, addUser, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeCertificates(folder: string): Promise<void> {
  await createAuthority(folder, 'ca');
  await createTokenKey(folder, 'service-account');
  await createCertificate(folder, 'ca', {
    name: 'apiserver',
    commonName: 'kube-apiserver',
    hosts: ['IP:127.0.0.1', 'DNS:localhost'],
  });
  await createCertificate(folder, 'ca', { name: 'admin', commonName: 'admin', group: 'system:masters' });
}

function programsOf(
  binaries: Record<'etcd' | 'kube-apiserver', string>,
  folder: string,
  ports: Record<'etcd' | 'peer' | 'api', number>,
): GuardOrder['programs'] {
  const etcd = `http://127.0.0.1:${ports.etcd}`;
  const peer = `http://127.0.0.1:${ports.peer}`;
  const file = (name: string): string => join(folder, name);
  return [
    {
      name: 'etcd',
      command: binaries.etcd,
      args: [
        `--data-dir=${file('etcd')}`,
        ...[`--listen-client-urls=${etcd}`, `--advertise-client-urls=${etcd}`],
        ...[`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`],
        `--initial-cluster=default=${peer}`,
        // Nothing of it outlives its process.
        '--unsafe-no-fsync',
        '--log-level=warn',
      ],
    },
    {
      name: 'kube-apiserver',
      command: binaries['kube-apiserver'],
      args: [
        `--etcd-servers=${etcd}`,
        ...['--bind-address=127.0.0.1', `--secure-port=${ports.api}`, '--endpoint-reconciler-type=none'],
        `--cert-dir=${folder}`,
        ...[`--tls-cert-file=${file('apiserver.crt')}`, `--tls-private-key-file=${file('apiserver.key')}`],
        ...[`--client-ca-file=${file('ca.crt')}`, '--anonymous-auth=false', '--authorization-mode=RBAC'],
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${file('service-account.pub')}`,
        `--service-account-signing-key-file=${file('service-account.key')}`,
        '--service-cluster-ip-range=10.96.0.0/24',
        // Nobody makes the service accounts that pods would wait for.
        '--disable-admission-plugins=ServiceAccount',
        '--profiling=false',
      ],
    },
  ];
}

async function assertAlive(guard: ChildProcess, folder: string): Promise<void> {
  if (guard.exitCode === null && guard.signalCode === null) return;
  const logs = await Promise.all(
    ['etcd', 'kube-apiserver'].map((name) => readFile(join(folder, `${name}.log`), 'utf8').catch(() => '')),
  );
  throw new Error(`the API server ended before it was ready:\n${logs.join('\n').slice(-4000)}`);
}
