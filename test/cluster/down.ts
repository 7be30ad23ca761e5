/** Takes a cluster down, whatever state it is in, and as often as asked. */
import { readFile, rm, rmdir } from 'node:fs/promises';
import { removeCgroups } from './cgroups.ts';
import { attempt, execute } from './exec.ts';
import type { Layout } from './layout.ts';
import { killMembers } from './members.ts';

/** Mount points at or below a folder, deepest first. */
export function mountsBelow(mountInfo: string, folder: string): string[] {
  return mountInfo
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .map((path) => path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))))
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();
}

/**
 * Processes first, then what the kernel does not drop with them. Each step looks at the machine, not at
 * a record that an interrupted start may not have written. Gives the number of processes killed.
 */
export async function takeDown(layout: Layout): Promise<number> {
  const killed = await killMembers(layout.state, 30_000);
  // The link goes with the network namespace, which the kernel drops in its own time.
  await attempt('ip', ['link', 'delete', layout.link]);
  for (const path of mountsBelow(await readFile('/proc/self/mountinfo', 'utf8'), layout.state)) {
    await execute('umount', ['--lazy', path]);
  }
  await removeCgroups(layout.cgroup, 30_000);
  await rm(layout.state, { recursive: true, force: true, maxRetries: 3 });
  // The common folder goes with the last cluster.
  await rmdir(layout.state.slice(0, layout.state.lastIndexOf('/'))).catch(() => undefined);
  return killed;
}
