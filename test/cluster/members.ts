/** Which processes belong to a cluster, told by a mark in their environment, and their end. */
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { MEMBER_VARIABLE } from './layout.ts';

/** A process, told from a later one with the same number by its start time (clock ticks since boot). */
export interface ProcessIdentity {
  pid: number;
  started: string;
}

/** Field 22 of /proc/PID/stat; the command in field 2 may hold spaces and brackets. */
export function startTimeIn(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[19];
}

export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const started = startTimeIn(stat);
    // A zombie has ended; only its parent has not looked yet.
    const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
    return started === undefined || state === 'Z' ? undefined : { pid, started };
  } catch {
    return undefined;
  }
}

export async function isAlive(process: ProcessIdentity): Promise<boolean> {
  return (await identify(process.pid))?.started === process.started;
}

/** Kills exactly this process; a recycled number is left alone. */
export async function killProcess(
  target: ProcessIdentity,
  signal: NodeJS.Signals = 'SIGKILL',
): Promise<void> {
  if (target.pid === process.pid || !(await isAlive(target))) return;
  try {
    process.kill(target.pid, signal);
  } catch {
    // It ended in between.
  }
}

/** Every live process that carries the mark of this state folder. */
export async function findMembers(state: string): Promise<ProcessIdentity[]> {
  const mark = `\0${MEMBER_VARIABLE}=${state}\0`;
  const members: ProcessIdentity[] = [];
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const environment = await readFile(`/proc/${entry}/environ`, 'latin1').catch(() => '');
    if (!`\0${environment}`.includes(mark)) continue;
    const identity = await identify(pid);
    if (identity !== undefined) members.push(identity);
  }
  return members;
}

/**
 * Kills all members and waits for their end. The first process of the cluster's process namespace is
 * one of them, and the kernel ends everything inside with it: shims, containers, stray children.
 */
export async function killMembers(state: string, limitMs: number): Promise<number> {
  const deadline = performance.now() + limitMs;
  const seen = new Set<string>();
  for (;;) {
    const members = await findMembers(state);
    if (members.length === 0) return seen.size;
    for (const member of members) {
      seen.add(`${member.pid}/${member.started}`);
      await killProcess(member);
    }
    if (performance.now() > deadline) {
      const left = members.map(({ pid }) => pid).join(', ');
      throw new Error(`These processes of the cluster do not end: ${left}`);
    }
    await sleep(50);
  }
}
