/** What a cluster could leave on its machine, as text to compare before and after. */
import { readFile, readdir, readlink } from 'node:fs/promises';
import { attempt, execute } from './exec.ts';
import { findMembers } from './members.ts';

const TOOLS = ['unshare', 'nsenter', 'buildah', 'runc', 'containerd', 'containerd-shim-runc-v2', 'kubelet'];
const FOLDERS = [
  '/var/lib',
  '/var/log',
  '/run',
  '/run/netns',
  '/run/lock',
  '/etc',
  '/etc/cni',
  '/opt',
  '/usr/libexec',
  '/var/tmp',
];
const SETTINGS = [
  'net/ipv4/ip_forward',
  'net/bridge/bridge-nf-call-iptables',
  'net/netfilter/nf_conntrack_max',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];

export type Footprint = Record<string, string[]>;

async function listing(folder: string): Promise<string[]> {
  const entries = await readdir(folder).catch(() => []);
  return entries.map((entry) => `${folder}/${entry}`);
}

/** Processes of the tools that a cluster and its images are made with, whoever started them. */
async function processes(): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const program = await readlink(`/proc/${entry}/exe`).catch(() => '');
    const name = program.slice(program.lastIndexOf('/') + 1);
    if (TOOLS.includes(name)) found.push(`${entry} ${name}`);
  }
  return found;
}

/** Takes in all that may change: processes, mounts, links, firewall rules, control groups, files, settings. */
export async function footprint(state: string): Promise<Footprint> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ').slice(3, 5).join(' '));
  const links = JSON.parse(await execute('ip', ['-json', 'address'])) as {
    ifname: string;
    addr_info: { local?: string }[];
  }[];
  const rules = (await attempt('iptables-save', [])).stdout
    .split('\n')
    .filter((line) => !line.startsWith('#'));
  const groups = await Promise.all((await listing('/sys/fs/cgroup')).map(listing));
  const files = await Promise.all(FOLDERS.map(listing));
  const temporary = (await listing('/tmp')).filter((path) =>
    /imageplane-(image|cluster)|buildah|containers|storage/.test(path),
  );
  const settings = await Promise.all(
    SETTINGS.map(
      async (name) => `${name}=${(await readFile(`/proc/sys/${name}`, 'utf8').catch(() => '')).trim()}`,
    ),
  );
  return {
    members: (await findMembers(state)).map(({ pid }) => String(pid)),
    processes: await processes(),
    mounts: mounts.sort(),
    links: links.map(
      ({ ifname, addr_info }) => `${ifname} ${addr_info.map(({ local }) => local ?? '').join(' ')}`,
    ),
    // Counters differ from one look to the next.
    rules: rules.map((line) => line.replace(/\[\d+:\d+\]/, '')),
    sets: (await attempt('ipset', ['list', '--name'])).stdout.split('\n'),
    groups: groups.flat().filter((path) => path.includes('imageplane') || path.includes('kubepods')),
    files: [...files.flat(), ...temporary].sort(),
    settings,
  };
}

/** What one footprint has and the other has not, as lines; empty when they are the same. */
export function differences(before: Footprint, after: Footprint): string[] {
  return Object.keys(before).flatMap((kind) => {
    const [old, now] = [before[kind] ?? [], after[kind] ?? []];
    const gone = old.filter((item) => !now.includes(item)).map((item) => `${kind}: ${item} is gone`);
    const come = now.filter((item) => !old.includes(item)).map((item) => `${kind}: ${item} is left`);
    return [
      ...gone,
      ...come,
      ...(old.length === now.length ? [] : [`${kind}: ${old.length} before, ${now.length} after`]),
    ];
  });
}

/** The three namespaces of a process. */
export async function namespacesOf(pid: number): Promise<string[]> {
  return Promise.all(['pid', 'mnt', 'net'].map((kind) => readlink(`/proc/${pid}/ns/${kind}`)));
}

/** Processes that still live in one of these namespaces. */
export async function processesIn(namespaces: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const own = await namespacesOf(Number(entry)).catch(() => []);
    if (own.some((namespace) => namespaces.includes(namespace))) found.push(entry);
  }
  return found;
}
