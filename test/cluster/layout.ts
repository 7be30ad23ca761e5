/** Where a cluster lives and what its addresses are: pure functions of its name and number. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export const STATE_ROOT = '/var/lib/imageplane-cluster';
export const NODE_NAME = 'node-1';
export const API_PORT = 6443;
export const SERVICE_RANGE = '10.96.0.0/16';
export const DNS_ADDRESS = '10.96.0.10';
export const POD_RANGE = '10.244.0.0/22';
export const PAUSE_IMAGE = 'localhost/imageplane/pause:1';
export const COREDNS_IMAGE = 'localhost/imageplane/coredns:1';
/** Marks every process that a cluster starts; its value is the state folder. */
export const MEMBER_VARIABLE = 'IMAGEPLANE_CLUSTER_MEMBER';
/** How many clusters may run side by side on one machine. */
export const MAX_CLUSTERS = 64;

/** Paths as the components see them inside the cluster's own mount namespace. */
export const inside = {
  pki: '/var/lib/imageplane/pki',
  configuration: '/var/lib/imageplane/configuration',
  kubeconfigs: '/var/lib/imageplane/kubeconfigs',
  containerdSocket: '/var/lib/containerd-socket/containerd.sock',
} as const;

export interface Layout {
  name: string;
  state: string;
  /** Becomes /var/lib and /var/log inside. */
  lib: string;
  log: string;
  componentLogs: string;
  pki: string;
  configuration: string;
  kubeconfigs: string;
  /** For people, tests and kubectl on the machine. */
  kubeconfig: string;
  processes: string;
  settings: string;
  containerdSocket: string;
  /** The machine's end of the only link to the cluster. */
  link: string;
  /** Below each controller's root (cgroup v1) or the one root (v2). */
  cgroup: string;
}

export const NAME_PATTERN = /^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$/;

export function layoutOf(name: string, root: string = STATE_ROOT): Layout {
  const state = join(root, name);
  const lib = join(state, 'lib');
  const digest = createHash('sha256').update(state).digest('hex').slice(0, 8);
  return {
    name,
    state,
    lib,
    log: join(state, 'log'),
    componentLogs: join(state, 'log', 'components'),
    pki: join(lib, 'imageplane', 'pki'),
    configuration: join(lib, 'imageplane', 'configuration'),
    kubeconfigs: join(lib, 'imageplane', 'kubeconfigs'),
    kubeconfig: join(state, 'kubeconfig'),
    processes: join(state, 'processes.json'),
    settings: join(state, 'settings.json'),
    containerdSocket: join(lib, 'containerd-socket', 'containerd.sock'),
    link: `ipc-${digest}`,
    cgroup: `imageplane-cluster-${name}`,
  };
}

export interface Addresses {
  outer: string;
  /** The node's address; the API server is reached here from the machine. */
  inner: string;
}

/** The two addresses of link number `index`, a /30. */
export function addressesOf(index: number): Addresses {
  if (!Number.isInteger(index) || index < 0 || index >= MAX_CLUSTERS) {
    throw new RangeError(`A cluster number is 0 to ${MAX_CLUSTERS - 1}`);
  }
  return { outer: `10.241.200.${index * 4 + 1}`, inner: `10.241.200.${index * 4 + 2}` };
}

/** The lowest number whose link no interface of the machine uses. */
export function freeIndex(addressesInUse: readonly string[]): number {
  for (let index = 0; index < MAX_CLUSTERS; index += 1) {
    if (!addressesInUse.includes(addressesOf(index).outer)) return index;
  }
  throw new Error(`${MAX_CLUSTERS} clusters run already; take one down first`);
}
