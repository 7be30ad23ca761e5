/** What a whole cluster needs of its machine, and how to get it. */
import { readFile } from 'node:fs/promises';
import { UsageError } from '../../foundation/errors.ts';
import { attempt, execute, findCommand } from './exec.ts';

/** Command → Debian package. A path instead of a name is looked up as it is. */
const CLUSTER_COMMANDS: Readonly<Record<string, string>> = {
  runc: 'runc',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
  '/usr/lib/cni/portmap': 'containernetworking-plugins',
  ipset: 'ipset',
  iptables: 'iptables',
  conntrack: 'conntrack',
  ip: 'iproute2',
  nsenter: 'util-linux',
  openssl: 'openssl',
  modprobe: 'kmod',
};

const IMAGE_COMMANDS: Readonly<Record<string, string>> = { buildah: 'buildah', debootstrap: 'debootstrap' };

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Packages whose commands are missing, without repetition. */
export async function missingPackages(commands: Readonly<Record<string, string>>): Promise<string[]> {
  const missing = new Set<string>();
  for (const [command, debianPackage] of Object.entries(commands)) {
    const slash = command.lastIndexOf('/');
    const [folder, name] =
      slash < 0 ? [SYSTEM_PATH, command] : [command.slice(0, slash), command.slice(slash + 1)];
    if ((await findCommand(name, folder)) === undefined) missing.add(debianPackage);
  }
  return [...missing].sort();
}

const ALTERNATIVE =
  'Or use a cluster that you have: `npm run cluster -- test --kubeconfig FILE` runs the same tests there. ' +
  'Tests of the CRDs and the operator need neither root nor a node: they run etcd and kube-apiserver alone.';

/** Linux and root; a UsageError that says what to do instead otherwise. */
export function requireRoot(platform: string, userId: number | undefined): void {
  if (platform !== 'linux') throw new UsageError(`A node needs Linux; this is ${platform}. ${ALTERNATIVE}`);
  if (userId !== 0) {
    throw new UsageError(
      `A node needs root: it makes namespaces, cgroups and mounts. Run this with sudo. ${ALTERNATIVE}`,
    );
  }
}

async function isDebian(): Promise<boolean> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^ID(_LIKE)?=.*debian/m.test(release) && (await findCommand('apt-get', SYSTEM_PATH)) !== undefined;
}

async function install(packages: readonly string[], say: (line: string) => void): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const parameters = ['install', '-y', '--no-install-recommends', ...packages];
  say(`Installing Debian packages: ${packages.join(' ')}`);
  if ((await attempt('apt-get', parameters, { env })).code === 0) return;
  say('Refreshing the package lists first');
  await execute('apt-get', ['update'], { env });
  await execute('apt-get', parameters, { env });
}

async function ensure(
  commands: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<void> {
  const missing = await missingPackages(commands);
  if (missing.length === 0) return;
  if (!(await isDebian())) {
    throw new UsageError(
      `These are missing, named as Debian packages: ${missing.join(', ')}. ` +
        `Install what your system calls them (CNI plugins go to /usr/lib/cni). ${ALTERNATIVE}`,
    );
  }
  await install(missing, say);
  const still = await missingPackages(commands);
  if (still.length > 0)
    throw new UsageError(`apt-get installed these, but their commands are not found: ${still.join(', ')}`);
}

export async function ensureClusterPackages(say: (line: string) => void): Promise<void> {
  requireRoot(process.platform, process.getuid?.());
  await ensure(CLUSTER_COMMANDS, say);
}

export async function ensureImagePackages(say: (line: string) => void): Promise<void> {
  requireRoot(process.platform, process.getuid?.());
  await ensure(IMAGE_COMMANDS, say);
}
