import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface LockOptions {
  /** Called once when somebody else holds it. */
  onWait?: () => void;
}

/**
 * Runs `work` while holding an exclusive lock on a file. A child `flock` holds it for as long as our
 * end of its standard input is open, so the kernel gives it back however this process ends.
 */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  await mkdir(dirname(file), { recursive: true });
  const holder = spawn('flock', ['--no-fork', file, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // Its own group: Ctrl-C must not give the lock back before we have cleaned up.
    detached: true,
  });
  const ended = once(holder, 'exit');
  ended.catch(() => undefined);
  const waiting = setTimeout(() => options.onWait?.(), 1000);
  try {
    const first = await Promise.race([once(holder.stdout, 'data'), ended.then(() => undefined)]);
    if (first === undefined) throw new Error(`The lock ${file} could not be taken`);
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    await ended.catch(() => undefined);
  }
}
