import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const MINIMUM = { major: 3, minor: 11 };
const CANDIDATES = ['python3', 'python3.13', 'python3.12', 'python3.11'];
const QUIET_MS = 2000;
const PROGRESS_EVERY_MS = 5000;
const STALE_BUILD_MS = 3600_000;
const UNUSED_MS = 30 * 24 * 3600_000;
const TAIL_LINES = 20;

const run = promisify(execFile);

/** A Python with exactly the packages of a requirements file. Call its tools as `python -m TOOL`. */
export interface PythonEnvironment {
  /** Path of the interpreter. */
  python: string;
  /** What to set beside the caller's own variables, so that nothing of the user's Python leaks in. */
  variables: Record<string, string>;
}

interface BasePython {
  command: string;
  version: [number, number];
  identity: string;
}

/**
 * The virtual environment of a requirements file, built at first use into the cache (IMAGEPLANE_CACHE, or
 * /var/cache/imageplane as root, or the user's XDG cache) and taken from there ever after, without any network.
 * @throws Error saying what to install when there is no suitable Python, or the end of pip's output when a build fails.
 */
export async function pythonEnvironmentOf(requirements: string): Promise<PythonEnvironment> {
  const name = basename(requirements, '.txt');
  const base = await findPython();
  const key = createHash('sha256')
    .update(base.identity)
    .update('\0')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 16);
  const environments = join(cacheFolder(), 'python');
  const folder = join(environments, `${name}-${key}`);
  if (!(await exists(folder))) await build({ name, base, requirements, folder });
  const now = new Date();
  await utimes(folder, now, now);
  return {
    python: join(folder, 'bin', 'python'),
    variables: { PYTHONNOUSERSITE: '1', PYTHONPATH: '', PYTHONUNBUFFERED: '1', PYTHONUTF8: '1' },
  };
}

function cacheFolder(): string {
  const chosen = process.env['IMAGEPLANE_CACHE'];
  if (chosen !== undefined && chosen !== '') return chosen;
  if (process.getuid?.() === 0) return '/var/cache/imageplane';
  const xdg = process.env['XDG_CACHE_HOME'];
  return join(xdg === undefined || xdg === '' ? join(homedir(), '.cache') : xdg, 'imageplane');
}

async function findPython(): Promise<BasePython> {
  const chosen = process.env['PYTHON'];
  const found: string[] = [];
  for (const command of chosen === undefined || chosen === '' ? CANDIDATES : [chosen]) {
    const python = await inspect(command);
    if (python === undefined) continue;
    const [major, minor] = python.version;
    if (major === MINIMUM.major && minor >= MINIMUM.minor) return python;
    found.push(`${command} is ${major}.${minor}`);
  }
  throw new Error(
    `This needs Python ${MINIMUM.major}.${MINIMUM.minor} or newer with its venv module` +
      ` (${found.length === 0 ? 'none was found' : `found: ${found.join(', ')}`}).` +
      ` On Debian or Ubuntu: apt-get install python3 python3-venv. On macOS: brew install python@3.12.` +
      ` Or name another one in the variable PYTHON.`,
  );
}

/** Undefined when the command does not run; the identity changes with the version, the machine and the installation. */
async function inspect(command: string): Promise<BasePython | undefined> {
  const script =
    'import json, platform, sys; print(json.dumps([sys.version_info[0], sys.version_info[1],' +
    ' "|".join([sys.version, sys.platform, platform.machine(), sys.base_prefix])]))';
  try {
    const { stdout } = await run(command, ['-I', '-c', script]);
    const [major, minor, identity] = JSON.parse(stdout) as [number, number, string];
    return { command, version: [major, minor], identity };
  } catch {
    return undefined;
  }
}

interface Build {
  name: string;
  base: BasePython;
  requirements: string;
  folder: string;
}

/**
 * Builds beside the final place and renames, so that an interrupted build is never used. The scripts of a moved
 * environment name the old place, which is why callers go by `python -m`.
 */
async function build({ name, base, requirements, folder }: Build): Promise<void> {
  const environments = join(folder, '..');
  await mkdir(environments, { recursive: true });
  await sweep(environments, name);
  const unfinished = `${folder}.building-${process.pid}-${randomBytes(4).toString('hex')}`;
  const progress = progressOf(`Preparing the Python packages of ${name}.txt (once)`);
  try {
    await step(base.command, ['-I', '-m', 'venv', unfinished], progress).catch((error: unknown) => {
      throw new Error(
        `Could not make a virtual environment with ${base.command}. On Debian or Ubuntu: apt-get install python3-venv.`,
        { cause: error },
      );
    });
    const pip = ['-I', '-m', 'pip', '--disable-pip-version-check', '--no-input'];
    const python = join(unfinished, 'bin', 'python');
    await step(
      python,
      [...pip, 'install', '--progress-bar=off', '--only-binary=:all:', '-r', requirements],
      progress,
    );
    await step(python, [...pip, 'check'], progress);
    await rename(unfinished, folder).catch(async (error: unknown) => {
      // Another process was faster: its environment is the same.
      if (!(await exists(folder))) throw error;
    });
  } finally {
    progress.end();
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Drops what interrupted builds left, and environments of this name that nobody used for a month. */
async function sweep(environments: string, name: string): Promise<void> {
  for (const entry of await readdir(environments)) {
    if (!entry.startsWith(`${name}-`)) continue;
    const path = join(environments, entry);
    const age = Date.now() - (await stat(path).then((found) => found.mtimeMs, Date.now));
    if (age > (entry.includes('.building-') ? STALE_BUILD_MS : UNUSED_MS))
      await rm(path, { recursive: true, force: true });
  }
}

interface Progress {
  line(text: string): void;
  end(): void;
}

/** Silent for two seconds, then the title and, every few seconds, the last line that the tool printed. */
function progressOf(title: string): Progress {
  const start = Date.now();
  let last = 'starting';
  let timer = setTimeout(function tick() {
    process.stderr.write(`${title}: ${Math.round((Date.now() - start) / 1000)} s, ${last.slice(0, 100)}\n`);
    timer = setTimeout(tick, PROGRESS_EVERY_MS);
  }, QUIET_MS);
  return {
    line: (text) => {
      last = text.trim();
    },
    end: () => {
      clearTimeout(timer);
    },
  };
}

async function step(command: string, args: string[], progress: Progress): Promise<void> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONNOUSERSITE: '1', PYTHONPATH: '' },
  });
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (text) => {
      progress.line(text);
      tail.push(text);
      if (tail.length > TAIL_LINES) tail.shift();
    });
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(
          new Error(
            `${command} ${args.join(' ')} ended with ${signal ?? code ?? 'no status'}:\n${tail.join('\n')}`,
          ),
        );
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
