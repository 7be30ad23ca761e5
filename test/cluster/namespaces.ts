/**
 * The cluster's own process, mount and network namespaces. They are held by their first process alone
 * (no name under /run/netns), so that its death, by whatever cause, takes with it every process, mount,
 * bridge, veth and firewall rule inside.
 */
import { spawn } from 'node:child_process';
import { mkdir, open, readFile, readlink, realpath } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ExecOptions, execute } from './exec.ts';
import { type Addresses, type Layout, MEMBER_VARIABLE, SERVICE_RANGE } from './layout.ts';
import { type ProcessIdentity, identify } from './members.ts';

/** The kubelet sets these for the whole machine; inside, they are files of the cluster's own. */
const KERNEL_SETTINGS = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
];

/** Positional parameters: state folder, first process. */
const SETUP = `
set -eu
mount --make-rshared /
mount --bind "$1/log" /var/log
mount --bind "$1/lib" /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns /run/settings
for setting in ${KERNEL_SETTINGS.join(' ')}; do
  file=/run/settings/$(echo "$setting" | tr / .)
  cat "/proc/sys/$setting" > "$file"
  mount --bind "$file" "/proc/sys/$setting"
done
exec "$2"
`;

/** The environment of all that runs in a cluster: the mark, and nothing of the caller's. */
export function memberEnvironment(layout: Layout, extraPath = ''): NodeJS.ProcessEnv {
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return {
    PATH: extraPath === '' ? path : `${extraPath}:${path}`,
    HOME: '/var/lib/imageplane',
    LANG: 'C.UTF-8',
    [MEMBER_VARIABLE]: layout.state,
  };
}

async function firstChild(pid: number): Promise<number | undefined> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const [first] = children.trim().split(' ');
  return first === undefined || first === '' ? undefined : Number(first);
}

/** Waits for a forking wrapper's child that runs `program`. */
async function childOf(wrapper: number, program: string, limitMs: number): Promise<ProcessIdentity> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline) {
    const child = await firstChild(wrapper);
    if (child !== undefined && (await readlink(`/proc/${child}/exe`).catch(() => '')) === program) {
      const identity = await identify(child);
      if (identity !== undefined) return identity;
    }
    if ((await identify(wrapper)) === undefined) break;
    await sleep(10);
  }
  throw new Error(`${program} did not start`);
}

interface Launch {
  layout: Layout;
  /** Base name of its log file. */
  name: string;
  wrapper: string;
  parameters: readonly string[];
  /** The executable that must appear as the wrapper's child. */
  program: string;
  extraPath?: string;
}

async function launch(options: Launch): Promise<ProcessIdentity> {
  const { layout, name, wrapper, parameters, program, extraPath } = options;
  await mkdir(layout.componentLogs, { recursive: true });
  const log = await open(`${layout.componentLogs}/${name}.log`, 'a', 0o600);
  try {
    const child = spawn(wrapper, parameters, {
      cwd: '/',
      detached: true,
      env: memberEnvironment(layout, extraPath),
      stdio: ['ignore', log.fd, log.fd],
    });
    child.on('error', () => undefined);
    child.unref();
    if (child.pid === undefined) throw new Error(`${wrapper} could not be started`);
    return await childOf(child.pid, await realpath(program), 20_000);
  } finally {
    await log.close();
  }
}

/** Makes the namespaces and starts their first process. */
export async function createNamespaces(layout: Layout, firstProcess: string): Promise<ProcessIdentity> {
  const namespaces = ['--pid', '--mount', '--net', '--fork', '--mount-proc', '--propagation', 'private'];
  const shell = ['sh', '-c', SETUP, 'setup', layout.state, firstProcess];
  const parameters = [...namespaces, '--', ...shell];
  return launch({ layout, name: 'first-process', wrapper: 'unshare', parameters, program: firstProcess });
}

function entering(first: ProcessIdentity): string[] {
  return ['--target', String(first.pid), '--net', '--mount', '--pid', '--'];
}

/** Starts a component inside, its output in its log file. */
export async function startInside(
  layout: Layout,
  first: ProcessIdentity,
  component: { name: string; command: string; parameters: readonly string[]; extraPath?: string },
): Promise<ProcessIdentity> {
  return launch({
    layout,
    name: component.name,
    wrapper: 'nsenter',
    parameters: [...entering(first), component.command, ...component.parameters],
    program: component.command,
    ...(component.extraPath === undefined ? {} : { extraPath: component.extraPath }),
  });
}

/** Runs a command inside to its end and gives its output. */
export async function runInside(
  layout: Layout,
  first: ProcessIdentity,
  command: readonly string[],
  options: ExecOptions = {},
): Promise<string> {
  return execute('nsenter', [...entering(first), ...command], { env: memberEnvironment(layout), ...options });
}

/** Addresses in use on the machine's interfaces. */
export async function machineAddresses(): Promise<string[]> {
  const text = await execute('ip', ['-json', 'address']);
  const links = JSON.parse(text) as { addr_info?: { local?: string }[] }[];
  return links.flatMap((link) => link.addr_info ?? []).flatMap(({ local }) => local ?? []);
}

/** One veth pair between the machine and the cluster, and the cluster's own routes. */
export async function connectNetwork(
  layout: Layout,
  first: ProcessIdentity,
  addresses: Addresses,
): Promise<void> {
  const { link } = layout;
  await execute('ip', [
    'link',
    'add',
    link,
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    String(first.pid),
  ]);
  await execute('ip', ['address', 'add', `${addresses.outer}/30`, 'dev', link]);
  await execute('ip', ['link', 'set', link, 'up']);
  // Service addresses need a route before kube-proxy's rules turn them into pod addresses. There is no
  // default route: nothing inside reaches beyond the machine.
  const script = [
    'ip link set lo up',
    `ip address add ${addresses.inner}/30 dev eth0`,
    'ip link set eth0 up',
    `ip route add ${SERVICE_RANGE} via ${addresses.outer} dev eth0`,
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    // Without it iptables does not see what passes between two pods of one bridge.
    '[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || modprobe br_netfilter',
    'echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables',
  ].join('\n');
  await runInside(layout, first, ['sh', '-euc', script]);
}
