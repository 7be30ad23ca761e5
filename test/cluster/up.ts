/** Brings a cluster up: everything that can start side by side does. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../foundation/errors.ts';
import { openApi } from './api.ts';
import { type BinaryName, allBinaries, cache, ensureBinaries } from './binaries.ts';
import { createClusterCertificates } from './certificates.ts';
import { createCgroups } from './cgroups.ts';
import {
  cniConfiguration,
  containerdConfiguration,
  kubeProxyConfiguration,
  kubeletConfiguration,
} from './configuration.ts';
import { takeDown } from './down.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { type Addresses, API_PORT, type Layout, NODE_NAME, addressesOf, freeIndex } from './layout.ts';
import { withLock } from './lock.ts';
import { isAlive } from './members.ts';
import { connectNetwork, createNamespaces, machineAddresses } from './namespaces.ts';
import { ensureClusterPackages } from './requirements.ts';
import { type Starting, type UpOptions, startControlPlane, startNode, startRuntime } from './start.ts';
import {
  type Processes,
  createFolders,
  readProcesses,
  readSettings,
  writeProcesses,
  writeSettings,
} from './state.ts';

/** Serialises what is done to one cluster. */
export async function withClusterLock<T>(
  layout: Layout,
  say: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const onWait = (): void => {
    say(`Another command works on the cluster ${layout.name}; waiting for it`);
  };
  return withLock(join(cache(), `.lock-cluster-${layout.name}`), work, { onWait });
}

async function writeConfiguration(layout: Layout, addresses: Addresses, maxPods: number): Promise<void> {
  const { configuration, pki } = layout;
  await createClusterCertificates(pki, NODE_NAME, ['127.0.0.1', '10.96.0.1', addresses.inner]);
  await writeFile(join(configuration, 'containerd.toml'), containerdConfiguration());
  await writeFile(join(configuration, 'cni', '10-imageplane.conflist'), cniConfiguration());
  await writeFile(join(configuration, 'kubelet.json'), kubeletConfiguration(layout, maxPods));
  await writeFile(join(configuration, 'kube-proxy.json'), kubeProxyConfiguration());
  await writeFile(join(configuration, 'resolv.conf'), '');
  const server = `https://${addresses.inner}:${API_PORT}`;
  for (const user of ['controller-manager', 'scheduler', 'kubelet', 'kube-proxy', 'network-policy']) {
    await writeKubeconfig(join(layout.kubeconfigs, user), { server, pki, user, context: 'imageplane' });
  }
  await writeKubeconfig(layout.kubeconfig, {
    server,
    pki,
    user: 'admin',
    context: `imageplane-${layout.name}`,
  });
}

async function bringUpFresh(
  layout: Layout,
  options: UpOptions,
  binaries: Record<BinaryName, string>,
  stop: AbortController,
): Promise<void> {
  const started = performance.now();
  await createFolders(layout);
  await createCgroups(layout.cgroup);
  const first = await createNamespaces(layout, binaries.pause);
  const processes: Processes = { 'first-process': first };
  let written = Promise.resolve();
  const record = (): Promise<void> => (written = written.then(() => writeProcesses(layout, processes)));
  await record();
  // Two clusters must not choose the same addresses.
  const index = await withLock(join(cache(), '.lock-links'), async () => {
    const free = freeIndex(await machineAddresses());
    await connectNetwork(layout, first, addressesOf(free));
    return free;
  });
  const addresses = addressesOf(index);
  const server = `https://${addresses.inner}:${API_PORT}`;
  await writeSettings(layout, { index, server, ready: false });
  await writeConfiguration(layout, addresses, options.maxPods);
  const starting: Starting = { layout, options, binaries, addresses, first, processes, record, stop };
  const api = await openApi(server, layout.pki);
  try {
    const parts = [startRuntime(starting), startControlPlane(starting, api)];
    for (const part of parts) {
      part.catch((error: unknown) => {
        stop.abort(error);
      });
    }
    await Promise.allSettled(parts);
    stop.signal.throwIfAborted();
    await startNode(starting, api);
  } finally {
    api.close();
  }
  const startSeconds = Math.round((performance.now() - started) / 100) / 10;
  await writeSettings(layout, { index, server, ready: true, startSeconds });
}

/** Paths that the cluster's own mounts would hide; the binaries must not be there. */
function checkPaths(binaries: Record<string, string>): void {
  for (const [name, path] of Object.entries(binaries)) {
    if (/^(\/var\/lib|\/var\/log|\/run|\/var\/run|\/proc)\//.test(path)) {
      throw new UsageError(
        `${name} is ${path}, which a cluster cannot see. Set IMAGEPLANE_CACHE to another folder.`,
      );
    }
  }
}

/**
 * Brings the cluster up unless it is up already, and gives the seconds that the start took. What a
 * failed start has made is taken down again; the error says which component failed and why.
 */
export async function bringUp(
  layout: Layout,
  options: UpOptions,
): Promise<{ seconds: number; already: boolean }> {
  await ensureClusterPackages(options.say);
  const binaries = await ensureBinaries(allBinaries, { onProgress: options.onProgress });
  checkPaths(binaries);
  return withClusterLock(layout, options.say, async () => {
    const before = await readSettings(layout);
    if (before?.ready === true && (await isWhole(layout)))
      return { seconds: before.startSeconds ?? 0, already: true };
    await takeDown(layout);
    const stop = new AbortController();
    const onSignal = (signal: NodeJS.Signals): void => {
      stop.abort(new Error(`Ended by ${signal}; what had been started is taken down`));
    };
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
    try {
      await bringUpFresh(layout, options, binaries, stop);
    } catch (error) {
      await takeDown(layout);
      throw error;
    } finally {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    }
    return { seconds: (await readSettings(layout))?.startSeconds ?? 0, already: false };
  });
}

async function isWhole(layout: Layout): Promise<boolean> {
  const processes = Object.values(await readProcesses(layout));
  const alive = await Promise.all(processes.map(isAlive));
  return processes.length > 0 && alive.every(Boolean);
}
