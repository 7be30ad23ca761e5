import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, UsageError } from '../../foundation/errors.ts';

const run = promisify(execFile);

/** The operating-system user that Postgres runs as. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
}

const NAME = 'postgres';

/**
 * Postgres refuses to run as root: then it runs as the user `postgres`, which is made when it is missing (no shell, no
 * home). For everyone else: undefined, it runs as the caller.
 * @throws UsageError when the user is missing and cannot be made.
 */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const existing = await lookUp(NAME);
  if (existing !== undefined) return existing;
  try {
    await run('useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
      NAME,
    ]);
  } catch (error) {
    // Another start may have made it in the same moment.
    const made = await lookUp(NAME);
    if (made !== undefined) return made;
    throw new UsageError(
      `Postgres does not run as root, and the user "${NAME}" could not be made: ${messageOf(error).trim()}\n` +
        `Start Imageplane as an ordinary user, or make a system user "${NAME}" first.`,
    );
  }
  const made = await lookUp(NAME);
  if (made === undefined) throw new UsageError(`The user "${NAME}" was made but cannot be looked up.`);
  return made;
}

async function lookUp(name: string): Promise<Account | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

/** Whether the account may pass through a folder, by its classic permission bits. */
export function maySearch(
  folder: { mode: number; uid: number; gid: number },
  account: { uid: number; gid: number },
): boolean {
  if (folder.uid === account.uid) return (folder.mode & 0o100) !== 0;
  if (folder.gid === account.gid) return (folder.mode & 0o010) !== 0;
  return (folder.mode & 0o001) !== 0;
}

/** The first folder on the way to and including `path` that the account may not pass through; undefined: it may. */
export async function obstacle(path: string, account: Account): Promise<string | undefined> {
  const parents = [resolve(path)];
  for (let folder = resolve(path); dirname(folder) !== folder;) {
    folder = dirname(folder);
    parents.unshift(folder);
  }
  for (const folder of parents) {
    const info = await stat(folder);
    if (info.isDirectory() && !maySearch(info, account)) return folder;
  }
  return undefined;
}
