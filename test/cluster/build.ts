import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { attempt, execute, findCommand } from './exec.ts';
import { withLock } from './lock.ts';
import { type BuildStep, type StepName, buildSteps } from './steps.ts';

const GO_FOLDER = join(import.meta.dirname, 'go');
const PROGRESS_MS = 5000;

export interface BuildProgress {
  step: string;
  state: 'waiting' | 'building' | 'built';
  seconds: number;
  /** Seconds that a cold build took on 2 cores; with a warm Go cache it is far less. */
  estimateSeconds: number;
  packages: { compiled: number; total: number };
}

/**
 * Where built binaries live: `IMAGEPLANE_CACHE`, else the machine's cache for root, else the user's
 * (`XDG_CACHE_HOME`).
 */
export function cacheFolder(
  environment: NodeJS.ProcessEnv,
  userId: number,
  home: string = homedir(),
): string {
  const chosen = environment['IMAGEPLANE_CACHE'];
  if (chosen !== undefined && chosen !== '') return join(chosen, 'cluster');
  if (userId === 0) return '/var/cache/imageplane/cluster';
  const user = environment['XDG_CACHE_HOME'];
  return join(user !== undefined && user !== '' ? user : join(home, '.cache'), 'imageplane', 'cluster');
}

/** Digest of all that decides what a step makes, save the Go version: sources, linker settings. */
export async function sourceDigest(name: StepName, step: BuildStep): Promise<string> {
  const folder = join(GO_FOLDER, step.module);
  const hash = createHash('sha256').update(JSON.stringify([name, step.packages, step.settings]));
  for (const file of (await readdir(folder)).sort()) {
    if (!/^go\.(mod|sum)$|\.go$/.test(file)) continue;
    const content = await readFile(join(folder, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, 16);
}

/** What Go builds for, such as `go1.26.8-linux-amd64`; undefined without Go. */
export async function goTarget(module: string): Promise<string | undefined> {
  const found = await attempt('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], { cwd: join(GO_FOLDER, module) });
  return found.code === 0 ? found.stdout.trim().split('\n').join('-') : undefined;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The folder with a step's finished binaries, or undefined. Without Go, any Go version's build of the same sources serves. */
export async function findBuilt(name: StepName, cache: string): Promise<string | undefined> {
  const step = buildSteps[name];
  const prefix = `${name}-${await sourceDigest(name, step)}-`;
  const target = await goTarget(step.module);
  if (target !== undefined) {
    const folder = join(cache, prefix + target);
    return (await exists(folder)) ? folder : undefined;
  }
  const entries = await readdir(cache).catch(() => []);
  const any = entries.filter((entry) => entry.startsWith(prefix)).sort();
  return any.length > 0 ? join(cache, any[any.length - 1] ?? '') : undefined;
}

function goEnvironment(): NodeJS.ProcessEnv {
  const flags = (process.env['GOFLAGS'] ?? '').split(' ').filter((flag) => !flag.startsWith('-mod'));
  // Without cgo neither a C compiler nor this machine's libc is needed.
  return { ...process.env, CGO_ENABLED: '0', GOFLAGS: [...flags, '-mod=readonly'].join(' ').trim() };
}

async function countPackages(step: BuildStep, env: NodeJS.ProcessEnv): Promise<number> {
  const packages = Object.values(step.packages);
  const listed = await execute('go', ['list', '-deps', ...packages], {
    cwd: join(GO_FOLDER, step.module),
    env,
  });
  return listed.split('\n').length - 1;
}

async function compile(
  name: StepName,
  step: BuildStep,
  output: string,
  onProgress: (progress: BuildProgress) => void,
): Promise<void> {
  const env = goEnvironment();
  const cwd = join(GO_FOLDER, step.module);
  const started = performance.now();
  const packages = { compiled: 0, total: await countPackages(step, env) };
  const report = (state: BuildProgress['state']): void => {
    const seconds = Math.round((performance.now() - started) / 1000);
    onProgress({
      step: name,
      state,
      seconds,
      estimateSeconds: step.estimateSeconds,
      packages: { ...packages },
    });
  };
  const timer = setInterval(() => {
    report('building');
  }, PROGRESS_MS);
  try {
    report('building');
    const names = Object.entries(step.packages);
    const [only] = names;
    // Go names a binary after its package; where there is one, we do.
    const target = names.length === 1 && only !== undefined ? join(output, only[0]) : `${output}/`;
    const linker = ['-s', '-w', ...step.settings].join(' ');
    const parameters = ['-n', '19', 'go', 'build', '-v', '-trimpath', '-ldflags', linker, '-o', target];
    await execute('nice', [...parameters, ...names.map(([, path]) => path)], {
      cwd,
      env,
      onStderr: (text) => {
        packages.compiled += text.split('\n').filter((line) => /^[\w.-]+(\/|$)/.test(line)).length;
      },
    });
    const seconds = Math.round((performance.now() - started) / 1000);
    await writeFile(join(output, 'build.json'), JSON.stringify({ seconds, ...packages }));
  } finally {
    clearInterval(timer);
  }
  report('built');
}

/**
 * Builds one step into the cache and gives its folder. Two builds of one step wait for each other;
 * the folder appears whole by a rename, or not at all.
 * @throws Error when there is no Go, or with what the compiler said.
 */
export async function buildStep(
  name: StepName,
  cache: string,
  onProgress: (progress: BuildProgress) => void,
): Promise<string> {
  const step = buildSteps[name];
  const target = await goTarget(step.module);
  if (target === undefined) {
    throw new Error(
      `${Object.keys(step.packages).join(', ')} must be built, and there is no Go on the PATH. Install Go 1.26.6 or newer, ` +
        'or put the binaries on the PATH or into the folder that KUBEBUILDER_ASSETS names.',
    );
  }
  await mkdir(cache, { recursive: true });
  const onWait = (): void => {
    const packages = { compiled: 0, total: 0 };
    onProgress({ step: name, state: 'waiting', seconds: 0, estimateSeconds: step.estimateSeconds, packages });
  };
  const lock = join(cache, `.lock-${name}`);
  return withLock(
    lock,
    async () => {
      const ready = await findBuilt(name, cache);
      if (ready !== undefined) return ready;
      for (const entry of await readdir(cache)) {
        if (entry.startsWith(`.part-${name}-`))
          await rm(join(cache, entry), { recursive: true, force: true });
      }
      const part = await mkdtemp(join(cache, `.part-${name}-`));
      try {
        await compile(name, step, part, onProgress);
        const folder = join(cache, `${name}-${await sourceDigest(name, step)}-${target}`);
        // Others than root may run what root has built.
        await chmod(part, 0o755);
        await rename(part, folder);
        return folder;
      } finally {
        await rm(part, { recursive: true, force: true });
      }
    },
    { onWait },
  );
}

/** Full path of a command on the PATH or in KUBEBUILDER_ASSETS whose version fits, or undefined. */
export async function findFitting(binary: string, step: BuildStep): Promise<string | undefined> {
  if (step.version === undefined) return undefined;
  for (const path of [process.env['KUBEBUILDER_ASSETS'], process.env['PATH']]) {
    const found = await findCommand(binary, path);
    if (found === undefined) continue;
    const { stdout } = await attempt(found, step.version.arguments);
    if (step.version.expected.test(stdout)) return found;
  }
  return undefined;
}
