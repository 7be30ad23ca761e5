/** Starts the components of a cluster in the order that they need, and waits until each serves. */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Api, waitFor } from './api.ts';
import type { BinaryName } from './binaries.ts';
import type { BuildProgress } from './build.ts';
import { type ComponentName, componentArguments } from './components.ts';
import { writeProgramImage } from './image-archive.ts';
import { type Addresses, COREDNS_IMAGE, type Layout, NODE_NAME, PAUSE_IMAGE } from './layout.ts';
import { describeLogEnd } from './logs.ts';
import { clusterManifests, gpuCapacity } from './manifests.ts';
import { type ProcessIdentity, isAlive } from './members.ts';
import { runInside, startInside } from './namespaces.ts';
import { importImage } from './runtime-images.ts';
import type { Processes } from './state.ts';

export interface UpOptions {
  gpus: number;
  /** MIG profile → how many the node has. */
  mig: Readonly<Record<string, number>>;
  maxPods: number;
  say: (line: string) => void;
  onProgress: (progress: BuildProgress) => void;
}

export interface Starting {
  layout: Layout;
  options: UpOptions;
  binaries: Record<BinaryName, string>;
  addresses: Addresses;
  first: ProcessIdentity;
  processes: Processes;
  /** Writes the processes down; one write after the other, since components start side by side. */
  record: () => Promise<void>;
  /** Aborted by a signal, or by the first part that fails, so that the others stop too. */
  stop: AbortController;
}

async function start(starting: Starting, name: ComponentName): Promise<void> {
  const { layout, binaries, addresses, first, processes, stop } = starting;
  stop.signal.throwIfAborted();
  processes[name] = await startInside(layout, first, {
    name,
    command: binaries[name],
    parameters: componentArguments(name, addresses),
    // containerd finds its shim on the PATH.
    extraPath: dirname(binaries['containerd-shim-runc-v2']),
  });
  await starting.record();
}

/** Throws with the end of its log when a component has ended. */
async function checkAlive({ layout, processes, stop }: Starting): Promise<void> {
  stop.signal.throwIfAborted();
  for (const [name, identity] of Object.entries(processes)) {
    if (!(await isAlive(identity)))
      throw new Error(`${name} has ended. ${await describeLogEnd(layout, name)}`);
  }
}

/** containerd, and the two images that the cluster itself needs. */
export async function startRuntime(starting: Starting): Promise<void> {
  const { layout, binaries } = starting;
  await start(starting, 'containerd');
  const own: [string, string][] = [
    [PAUSE_IMAGE, binaries.pause],
    [COREDNS_IMAGE, binaries.coredns],
  ];
  for (const [image, program] of own) {
    const archive = join(layout.state, 'images', 'archive.tar');
    await writeProgramImage(archive, image, program);
    await waitFor(
      `Loading the image ${image}`,
      30_000,
      async () => importImage(layout, binaries.ctr, archive).then(() => true),
      () => checkAlive(starting),
    );
    await rm(archive);
  }
}

/** etcd, API server, controllers and scheduler, and the cluster's own objects. */
export async function startControlPlane(starting: Starting, api: Api): Promise<void> {
  const check = (): Promise<void> => checkAlive(starting);
  await start(starting, 'etcd');
  await start(starting, 'kube-apiserver');
  const ready = async (): Promise<true | undefined> =>
    (await api.call('GET', '/readyz')).status === 200 ? true : undefined;
  await waitFor('The API server being ready', 90_000, ready, check);
  await start(starting, 'kube-controller-manager');
  await start(starting, 'kube-scheduler');
  const apply = async (): Promise<true> => {
    for (const manifest of clusterManifests()) await api.apply(manifest);
    return true;
  };
  await waitFor('Applying the cluster’s own objects', 30_000, apply, check);
}

interface NodeStatus {
  status?: { conditions?: { type: string; status: string }[] };
}

/** The node's part: kubelet, Service rules, policies, GPUs, names. */
export async function startNode(starting: Starting, api: Api): Promise<void> {
  const { layout, options, first } = starting;
  const check = (): Promise<void> => checkAlive(starting);
  const path = `/api/v1/nodes/${NODE_NAME}`;
  await start(starting, 'kubelet');
  await start(starting, 'kube-proxy');
  const node = async (): Promise<NodeStatus | undefined> => {
    const { status, body } = await api.call('GET', path);
    return status === 200 ? (body as NodeStatus) : undefined;
  };
  await waitFor('The node registering itself', 60_000, node, check);
  // Not before: the enforcer ends when its node does not exist, and nothing would be enforced.
  await start(starting, 'kube-router');
  const capacity = gpuCapacity(options.gpus, options.mig);
  if (Object.keys(capacity).length > 0) {
    const patch = await api.call(
      'PATCH',
      `${path}/status`,
      { status: { capacity } },
      'application/merge-patch+json',
    );
    if (patch.status !== 200) throw new Error(`The node’s GPUs were refused: ${JSON.stringify(patch.body)}`);
  }
  const isReady = async (): Promise<true | undefined> => {
    const conditions = (await node())?.status?.conditions ?? [];
    return conditions.some(({ type, status }) => type === 'Ready' && status === 'True') ? true : undefined;
  };
  await waitFor('The node becoming Ready', 60_000, isReady, check);
  const rules = ['iptables', '--wait', '--list-rules', 'KUBE-ROUTER-FORWARD'];
  await waitFor(
    'The policy enforcer writing its rules',
    30_000,
    () => runInside(layout, first, rules),
    check,
  );
  const names = async (): Promise<true | undefined> => {
    const { body } = await api.call('GET', '/apis/apps/v1/namespaces/kube-system/deployments/coredns');
    return (body as { status?: { availableReplicas?: number } }).status?.availableReplicas === 1
      ? true
      : undefined;
  };
  await waitFor('CoreDNS becoming available', 60_000, names, check);
}
