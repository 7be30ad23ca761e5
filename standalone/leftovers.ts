import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isAlive, signalProcess, waitUntil } from './postgres/postmaster.ts';

const run = promisify(execFile);

/** Every process that a supervisor starts carries this variable, with the data folder; so do their own children. */
export const MARK = 'IMAGEPLANE_SUPERVISED_DATA';

/** Pids of processes of an earlier run on this data folder. The caller holds the folder's lock: none of them is wanted. */
export async function leftovers(dataDir: string): Promise<number[]> {
  const found = process.platform === 'linux' ? await byEnvironment(dataDir) : await byCommand(dataDir);
  return found.filter((pid) => pid !== process.pid);
}

async function byEnvironment(dataDir: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const marked = await Promise.all(
    pids.map(async (pid) => {
      // Processes of other users cannot be read, and are none of ours, save for Postgres, which its guard ends.
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return environment.split('\0').includes(`${MARK}=${dataDir}`) && !(await isPostgres(pid));
    }),
  );
  return pids.filter((_pid, index) => marked[index]);
}

/** A postmaster takes SIGTERM for "when all clients have left": it is stopped by its guard, or by its own rules. */
async function isPostgres(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim() === 'postgres';
}

async function byCommand(dataDir: string): Promise<number[]> {
  const { stdout } = await run('ps', ['-axww', '-o', 'pid=,command='], { maxBuffer: 64 * 1024 * 1024 });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, command] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || command === undefined) return [];
    const ours = command.includes(join(dataDir, 'run/')) || /guard\.ts .*"-D"/.test(command);
    return ours && command.includes(dataDir) ? [Number(pid)] : [];
  });
}

/**
 * Ends what a supervisor that was killed has left: they end by themselves when it goes, and get time for that.
 * @returns how many there were.
 */
export async function endLeftovers(dataDir: string): Promise<number> {
  const found = await leftovers(dataDir);
  if (found.length === 0) return 0;
  for (const pid of found) signalProcess(pid, 'SIGTERM');
  const gone = (): boolean => !found.some(isAlive);
  if (!(await waitUntil(gone, 17_000))) {
    for (const pid of found.filter(isAlive)) signalProcess(pid, 'SIGKILL');
    await waitUntil(gone, 5_000);
  }
  return found.length;
}
