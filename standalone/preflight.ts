import { constants } from 'node:fs';
import { access, chmod, mkdir, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { lockHolder, type ProcessLock, tryLock } from '../control-plane/model-store/process-lock.ts';
import { hasCode, messageOf, UsageError } from '../foundation/errors.ts';
import type { Layout } from './layout.ts';
import { portProblem } from './ports.ts';

/** Makes the folder when it is missing. @returns its real path. @throws UsageError naming the option to change. */
export async function prepareFolder(path: string, option: string, mode: number): Promise<string> {
  try {
    if (await makeFolder(path, mode)) await chmod(path, mode);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    return await realpath(path);
  } catch (error) {
    throw new UsageError(
      `${path} cannot be written to: ${messageOf(error)}\nGive another folder with ${option}.`,
    );
  }
}

/**
 * One level after the other, since Node's own recursion never ends where a file system, such as /proc, answers that the
 * parent is missing. @returns whether it was made now.
 */
async function makeFolder(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST') && (await stat(path)).isDirectory()) return false;
    if (!hasCode(error, 'ENOENT') || !(await makeFolder(dirname(path), mode))) throw error;
  }
  await mkdir(path, { mode });
  return true;
}

/** What Linux takes as a socket's path; macOS takes 103. */
const MAX_SOCKET_PATH_BYTES = 103;

/** @throws UsageError when the data folder's path is too long for the sockets in it. */
export function assertSocketsFit(layout: Layout): void {
  const longest = layout.inferenceSocket('');
  const room = MAX_SOCKET_PATH_BYTES - (Buffer.byteLength(longest) - Buffer.byteLength(layout.data));
  if (Buffer.byteLength(layout.data) > room)
    throw new UsageError(
      `${layout.data} has ${Buffer.byteLength(layout.data)} bytes; sockets in it leave room for ${room}.\n` +
        'Give a shorter folder with --data-dir (IMAGEPLANE_DATA).',
    );
}

/** @throws UsageError with the pid of the start that has the folder. */
export function lockFolder(path: string, dataDir: string): ProcessLock {
  const lock = tryLock(path);
  if (lock !== undefined) return lock;
  const pid = lockHolder(path);
  throw new UsageError(
    `Imageplane already runs on ${dataDir}${pid === undefined ? '' : ` (pid ${pid})`}.\n` +
      'Stop it with Ctrl-C or kill, or give another --data-dir (and --port) for a second one.',
  );
}

/** @throws UsageError saying which option to give. */
export async function assertPortFree(port: number, host: string): Promise<void> {
  if (port === 0) return;
  const problem = await portProblem(port, host);
  if (problem === undefined) return;
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another program listens on it',
    EACCES: 'this user may not listen on it',
    EADDRNOTAVAIL: `this machine has no address ${host}`,
  };
  throw new UsageError(
    `Port ${port} on ${host} cannot be used: ${reasons[problem] ?? problem}.\n` +
      'Give another one with --port, or --port 0 for any free one.',
  );
}
