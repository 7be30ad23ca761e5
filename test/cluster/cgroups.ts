/** The control groups of a cluster's pods: made below each controller's root, removed with all below. */
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = '/sys/fs/cgroup';

/** The folders that hold a hierarchy each: one on cgroup v2, one per controller on v1. */
async function hierarchies(): Promise<string[]> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const roots = new Set<string>();
  for (const line of mounts.split('\n')) {
    const [, kind] = / - (cgroup2?) /.exec(line) ?? [];
    const mountPoint = line.split(' ')[4];
    if (kind !== undefined && mountPoint?.startsWith(ROOT) === true) roots.add(mountPoint);
  }
  return [...roots];
}

export async function createCgroups(name: string): Promise<void> {
  for (const root of await hierarchies()) {
    const folder = join(root, name);
    await mkdir(folder, { recursive: true });
    // On v1 a new cpuset is empty, and nothing can run in it until it has processors and memory.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const value = await readFile(join(root, file), 'utf8').catch(() => '');
      if (value.trim() !== '') await writeFile(join(folder, file), value).catch(() => undefined);
    }
    // On v2 a child has only the controllers that its parent passes on.
    const controllers = await readFile(join(root, 'cgroup.controllers'), 'utf8').catch(() => '');
    for (const controller of controllers.split(/\s+/).filter((part) => part !== '')) {
      await writeFile(join(root, 'cgroup.subtree_control'), `+${controller}`).catch(() => undefined);
    }
  }
}

async function removeTree(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  await rmdir(folder).catch(() => undefined);
}

/** Removes the groups; their processes must have been killed. */
export async function removeCgroups(name: string, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (const root of await hierarchies()) {
    const folder = join(root, name);
    for (;;) {
      await removeTree(folder);
      const left = await stat(folder).catch(() => undefined);
      if (left === undefined) break;
      // A group is busy until the kernel has let go of its last process.
      if (performance.now() > deadline) throw new Error(`The control group ${folder} cannot be removed`);
      await sleep(50);
    }
  }
}
