import { execFile } from 'node:child_process';
import { cp, lstat, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The folder of package.json of the working tree that the tests run in. */
export const checkout = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * Copies the working tree as git would commit it now (tracked files and new ones, nothing ignored) into a temporary
 * folder, which the caller removes: what a fresh clone would be.
 */
export async function freshCheckout(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-checkout-'));
  const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: checkout,
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const name of new Set(stdout.split('\0'))) {
    if (name === '' || !(await isThere(join(checkout, name)))) continue;
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await cp(join(checkout, name), join(folder, name), { verbatimSymlinks: true });
  }
  return folder;
}

/** A file that git tracks may have been deleted in the working tree. */
async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/**
 * The environment of a person's own shell: without what npm adds for the scripts that it runs, these tests among them,
 * so that a command finds the tools that the machine has.
 */
export function shellEnvironment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(process.env))
    if (!/^(npm_|INIT_CWD$|NODE_TEST|NODE_OPTIONS$|NODE$)/i.test(name)) env[name] = value;
  const path = (process.env['PATH'] ?? '').split(':');
  env['PATH'] = path.filter((folder) => !/node_modules\/\.bin$|node-gyp-bin$/.test(folder)).join(':');
  return env;
}
