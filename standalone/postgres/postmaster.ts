import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasCode } from '../../foundation/errors.ts';

const run = promisify(execFile);

/** It only names the socket: nothing listens on a port. */
export const POSTGRES_PORT = 5432;
const SOCKET_LOCK = `.s.PGSQL.${POSTGRES_PORT}.lock`;

export interface PostmasterState {
  pid: number;
  /** As the server writes it: starting, ready, stopping. */
  status: string | undefined;
}

/** The lines of `postmaster.pid`: pid first, status in the eighth. */
export function parsePostmasterFile(text: string): PostmasterState | undefined {
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return { pid, status: lines[7] };
}

export async function postmasterState(dataDir: string): Promise<PostmasterState | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  return parsePostmasterFile(text);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone in the meantime.
  }
}

/** Waits until `done` holds. @returns false when `limitMs` passed first. */
export async function waitUntil(
  done: () => boolean | Promise<boolean>,
  limitMs: number,
  everyMs = 20,
): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!(await done())) {
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return true;
}

/** Every server process of this cluster, the postmaster's orphans included: all of them work in the data directory. */
async function serverProcesses(dataDir: string): Promise<number[]> {
  const place = await realpath(dataDir);
  if (process.platform !== 'linux') {
    const state = await postmasterState(dataDir);
    return state !== undefined && (await runsOn(state.pid, place)) ? [state.pid] : [];
  }
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const places = await Promise.all(
    pids.map(async (pid) => ({ pid, cwd: await readlink(`/proc/${pid}/cwd`).catch(() => '') })),
  );
  return places.filter(({ cwd }) => cwd === place).map(({ pid }) => pid);
}

async function runsOn(pid: number, dataDir: string): Promise<boolean> {
  try {
    const { stdout } = await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
    return stdout.includes('postgres') && stdout.includes(dataDir);
  } catch {
    return false;
  }
}

/**
 * Ends what an earlier run left on this data directory, cleanly where it can, and removes lock files whose pid now
 * belongs to somebody else, which the server itself would take for a running postmaster.
 * @throws Error naming the pids that do not end.
 */
export async function stopStalePostmaster(dataDir: string): Promise<'none' | 'stopped'> {
  const processes = await serverProcesses(dataDir);
  if (processes.length > 0) {
    const state = await postmasterState(dataDir);
    if (state !== undefined && processes.includes(state.pid)) signalProcess(state.pid, 'SIGINT');
    const gone = async (): Promise<boolean> => (await serverProcesses(dataDir)).length === 0;
    if (!(await waitUntil(gone, 15_000))) {
      for (const pid of await serverProcesses(dataDir)) signalProcess(pid, 'SIGQUIT');
      if (!(await waitUntil(gone, 10_000)))
        throw new Error(
          `An earlier Postgres on ${dataDir} does not stop (pids ${(await serverProcesses(dataDir)).join(', ')}).`,
        );
    }
  }
  const left = await postmasterState(dataDir);
  if (left !== undefined && isAlive(left.pid))
    for (const name of ['postmaster.pid', SOCKET_LOCK]) await rm(join(dataDir, name), { force: true });
  return processes.length > 0 ? 'stopped' : 'none';
}
