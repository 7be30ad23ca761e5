/**
 * buildah with a store of its own in the cache, in a mount namespace of its own: what it mounts goes
 * with it, however it ends. It runs no container runtime and no registry is asked.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cache } from './binaries.ts';
import { execute } from './exec.ts';
import { type Layout, MEMBER_VARIABLE } from './layout.ts';

const ISOLATED = [
  '--mount',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
  '--propagation',
  'private',
  '--',
];

/** buildah makes /etc/cni, which nobody asked for: what is written to /etc goes to a layer above it. Parameter: a folder. */
const COVER_ETC = `
set -eu
folder=$1
shift
rm -rf "$folder"
mkdir -p "$folder/upper" "$folder/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$folder/upper,workdir=$folder/work" /etc
exec "$@"
`;

/** Runs a command in such namespaces, marked as part of the cluster so that taking it down ends it too. */
export async function isolated(layout: Layout, command: readonly string[]): Promise<string> {
  // What a killed build has not put away goes with the cluster.
  const temporary = join(layout.state, 'images');
  await mkdir(temporary, { recursive: true });
  const env = {
    ...process.env,
    BUILDAH_ISOLATION: 'chroot',
    TMPDIR: temporary,
    [MEMBER_VARIABLE]: layout.state,
  };
  const covered = ['sh', '-c', COVER_ETC, 'cover', join(cache(), 'images', 'etc'), ...command];
  return execute('unshare', [...ISOLATED, ...covered], { env });
}

/** Global arguments that keep buildah's images and mounts apart from any other on the machine. */
export async function storeArguments(): Promise<string[]> {
  const folder = join(cache(), 'images');
  await mkdir(folder, { recursive: true });
  return ['--root', join(folder, 'store'), '--runroot', join(folder, 'run'), '--storage-driver', 'overlay'];
}

export async function buildah(layout: Layout, parameters: readonly string[]): Promise<string> {
  return isolated(layout, ['buildah', ...(await storeArguments()), ...parameters]);
}
