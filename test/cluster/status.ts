/** What runs of a cluster, and what it uses. */
import { readFile, readdir, readlink } from 'node:fs/promises';
import type { Layout } from './layout.ts';
import { type ProcessIdentity, isAlive } from './members.ts';
import { readProcesses, readSettings } from './state.ts';

export interface ComponentStatus extends ProcessIdentity {
  name: string;
  alive: boolean;
  /** Bytes of memory at most so far (the kernel's VmHWM); 0 when it has ended. */
  peakMemory: number;
}

export interface ClusterStatus {
  exists: boolean;
  ready: boolean;
  server: string | undefined;
  startSeconds: number | undefined;
  components: ComponentStatus[];
  /** Sum of the peaks of all processes inside, pods included; an upper bound of the common peak. */
  peakMemory: number;
}

/** `VmHWM:   123456 kB` of /proc/PID/status, in bytes. */
export function peakIn(status: string): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

async function peakOf(pid: number): Promise<number> {
  return peakIn(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''));
}

/** Processes whose network namespace or an ancestor process is the cluster's: told by its control groups and members. */
async function insideOf(first: ProcessIdentity, layout: Layout): Promise<number[]> {
  const own = await readlink(`/proc/${first.pid}/ns/pid`).catch(() => '');
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const namespace = await readlink(`/proc/${entry}/ns/pid`).catch(() => undefined);
    const groups = namespace === own ? '' : await readFile(`/proc/${entry}/cgroup`, 'utf8').catch(() => '');
    if (namespace === own || groups.includes(`/${layout.cgroup}/`)) found.push(Number(entry));
  }
  return found;
}

export async function statusOf(layout: Layout): Promise<ClusterStatus> {
  const settings = await readSettings(layout);
  const processes = await readProcesses(layout);
  const components: ComponentStatus[] = [];
  for (const [name, identity] of Object.entries(processes)) {
    const alive = await isAlive(identity);
    components.push({ name, ...identity, alive, peakMemory: alive ? await peakOf(identity.pid) : 0 });
  }
  const first = processes['first-process'];
  const pids = first !== undefined && (await isAlive(first)) ? await insideOf(first, layout) : [];
  const peaks = await Promise.all(pids.map(peakOf));
  return {
    exists: settings !== undefined || components.length > 0,
    ready: settings?.ready === true && components.every(({ alive }) => alive),
    server: settings?.server,
    startSeconds: settings?.startSeconds,
    components,
    peakMemory: peaks.reduce((sum, peak) => sum + peak, 0),
  };
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;

/** The status as lines for a person. */
export function describeStatus(name: string, status: ClusterStatus): string {
  if (!status.exists) return `There is no cluster ${name}. Bring it up: npm run cluster -- up${suffix(name)}`;
  const lines = [
    `The cluster ${name} is ${status.ready ? 'up' : 'not whole'}; API server: ${status.server ?? 'none yet'}`,
  ];
  for (const { name: component, pid, alive, peakMemory } of status.components) {
    const state = alive ? `process ${pid}, at most ${mebibytes(peakMemory)}` : 'has ended';
    lines.push(`  ${component.padEnd(24)} ${state}`);
  }
  lines.push(`Peak memory of all processes, pods included: ${mebibytes(status.peakMemory)}`);
  if (status.startSeconds !== undefined) lines.push(`It was ready after ${status.startSeconds} s.`);
  return lines.join('\n');
}

/** ` --name X` where the name is not the default one, for commands in messages. */
export function suffix(name: string): string {
  return name === 'default' ? '' : ` --name ${name}`;
}
