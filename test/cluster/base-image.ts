/**
 * A stand-in for the public base image under its own name: Debian's minimal system, the Node that the
 * project pins, and npm. So the Dockerfile that ships is the one that is tested, with no image registry.
 */
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cache } from './binaries.ts';
import { isolated, storeArguments } from './buildah.ts';
import { execute } from './exec.ts';
import type { Layout } from './layout.ts';

export const BASE_IMAGE = 'docker.io/library/node:24-bookworm-slim';
const NPM_VERSION = '11.19.1';
const LABEL = 'imageplane.made-of';

/** Positional parameters: root file system, Node, npm's archive, image, label; then buildah and its arguments. */
const ASSEMBLE = `
set -eu
root=$1 node=$2 npm=$3 image=$4 label=$5
shift 5
debootstrap --variant=minbase bookworm "$root" >&2
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
install -m 755 "$node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules"
tar -xzf "$npm" -C "$root/usr/local/lib/node_modules" --no-same-owner
mv "$root/usr/local/lib/node_modules/package" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
chmod 755 "$root/usr/local/lib/node_modules/npm/bin/npm-cli.js"
chroot "$root" groupadd --gid 1000 node
chroot "$root" useradd --uid 1000 --gid node --shell /bin/bash --create-home node
container=$("$@" from scratch)
"$@" add --quiet "$container" "$root" / >&2
"$@" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd node --label "$label" "$container"
"$@" commit --quiet --rm "$container" "$image" >&2
`;

async function pinnedNode(): Promise<string> {
  const folder = join(
    import.meta.dirname,
    '..',
    '..',
    'node_modules',
    `node-linux-${process.arch}`,
    'bin',
    'node',
  );
  return realpath(folder).catch(() => process.execPath);
}

/** Makes the base image unless the store has the right one; tells whether it had to. */
export async function ensureBaseImage(layout: Layout, say: (line: string) => void): Promise<boolean> {
  const node = await pinnedNode();
  const version = (await execute(node, ['--version'])).trim();
  const made = `node ${version}, npm ${NPM_VERSION}, bookworm`;
  const store = await storeArguments();
  const format = `{{index .OCIv1.Config.Labels "${LABEL}"}}`;
  const inspect = ['buildah', ...store, 'inspect', '--type', 'image', '--format', format, BASE_IMAGE];
  // No such image yet: the inspection fails.
  const found = await isolated(layout, inspect).catch(() => '');
  if (found.trim() === made) return false;
  say(`Making a stand-in for ${BASE_IMAGE} (Debian by debootstrap, Node ${version}): about a minute, once`);
  for (const entry of await readdir(cache())) {
    if (entry.startsWith('.base-')) await rm(join(cache(), entry), { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(cache(), '.base-'));
  try {
    await execute('npm', ['pack', `npm@${NPM_VERSION}`, '--silent', '--pack-destination', folder], {
      cwd: folder,
    });
    const [archive] = await readdir(folder);
    if (archive === undefined) throw new Error('npm pack left no archive');
    const script = ['sh', '-c', ASSEMBLE, 'assemble', join(folder, 'root'), node, join(folder, archive)];
    await isolated(layout, [...script, BASE_IMAGE, `${LABEL}=${made}`, 'buildah', ...store]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return true;
}
