import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startInference, startIntake, untilReady } from '../support/inference.ts';
import { freePorts, until } from '../support/program.ts';
import { pythonEnvironment } from '../support/python.ts';

const STARTS_WITHIN_MS = 120_000;
const run = promisify(execFile);

/** A server that cuts out, with the model loaded and warm. */
export interface BenchServer {
  pid: number;
  /** Rejects when the answer is not 200. */
  remove: (picture: Uint8Array) => Promise<void>;
  stop: () => Promise<void>;
}

/** `undefined` leaves the program's own default. */
export interface RembgSetting {
  /** OMP_NUM_THREADS: of one run. */
  threads: number | undefined;
  /** `--threads`: requests at once. */
  workers: number | undefined;
}

/** With the build of onnxruntime that the execution provider needs. */
export type RembgEnvironment = 'rembg' | 'rembg-gpu';

const REMBG_MODEL = 'isnet-general-use';
const rembgCommand = 'from rembg.cli import main; main()';

export async function rembgVersions(
  environment: RembgEnvironment,
): Promise<Record<'python' | 'rembg' | 'onnxruntime', string>> {
  const { python, variables } = await pythonEnvironment(environment);
  const script =
    'import json, platform, importlib.metadata as m; print(json.dumps({"python": platform.python_version(),' +
    ' "rembg": m.version("rembg"), "onnxruntime": __import__("onnxruntime").__version__}))';
  const { stdout } = await run(python, ['-c', script], { env: { ...process.env, ...variables } });
  return JSON.parse(stdout) as Awaited<ReturnType<typeof rembgVersions>>;
}

/** rembg's own server, `rembg s`, with our weights under the name of its IS-Net model. */
export async function startRembg(
  environment: RembgEnvironment,
  weights: string,
  setting: RembgSetting,
): Promise<BenchServer> {
  const { python, variables } = await pythonEnvironment(environment);
  const home = await mkdtemp(join(tmpdir(), 'imageplane-bench-rembg-'));
  await symlink(weights, join(home, `${REMBG_MODEL}.onnx`));
  const { listen } = await freePorts('listen');
  const { threads, workers } = setting;
  const args = ['-c', rembgCommand, 's', '-h', '127.0.0.1', '-p', String(listen), '-l', 'warning', '--no-ui'];
  const child = spawn(python, workers === undefined ? args : [...args, '-t', String(workers)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      ...variables,
      U2NET_HOME: home,
      MODEL_CHECKSUM_DISABLED: '1',
      BROWSER: 'true',
      ...(threads === undefined ? {} : { OMP_NUM_THREADS: String(threads) }),
    },
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4000)));
  const url = `http://127.0.0.1:${listen}`;
  await until(
    'rembg listens',
    async () => {
      if (child.exitCode !== null) throw new Error(`rembg ended with ${child.exitCode}:\n${log}`);
      return fetch(`${url}/openapi.json`).then(
        (response) => response.ok,
        () => false,
      );
    },
    STARTS_WITHIN_MS,
  );
  return {
    pid: child.pid ?? 0,
    remove: async (picture) => post(`${url}/api/remove`, picture, { model: REMBG_MODEL }),
    async stop() {
      await ended(child);
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

/** Our server alone, on loopback, without assertions. */
export async function startOurs(
  models: Record<string, unknown>[],
  overrides: Record<string, unknown>,
): Promise<BenchServer & { url: string; probesUrl: string }> {
  const intake = await startIntake();
  const server = await startInference({
    models: {},
    intakeUrl: intake.url,
    overrides: { models, assertion: { mode: 'off' }, logLevel: 'warn', ...overrides },
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await intake.close();
  };
  try {
    await untilReady(server);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: server.url,
    probesUrl: server.probesUrl,
    pid: server.program.child.pid ?? 0,
    remove: async (picture) => post(`${server.url}/api/remove`, picture, {}),
    stop,
  };
}

async function post(url: string, picture: Uint8Array, fields: Record<string, string>): Promise<void> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob([Uint8Array.from(picture)]), 'picture');
  const response = await fetch(url, { method: 'POST', body: form });
  const body = await response.arrayBuffer();
  if (!response.ok)
    throw new Error(`${response.status}: ${Buffer.from(body).toString('utf8').slice(0, 300)}`);
}

/** Memory of a process and all below it, what is shared counted once (proportional set size), in bytes. */
export async function memoryOfTree(pid: number): Promise<number> {
  try {
    const [rollup, children] = await Promise.all([
      readFile(`/proc/${pid}/smaps_rollup`, 'utf8'),
      readFile(`/proc/${pid}/task/${pid}/children`, 'utf8'),
    ]);
    const own = 1024 * Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]);
    const below = await Promise.all(
      children
        .split(' ')
        .filter((text) => text.trim() !== '')
        .map(async (text) => memoryOfTree(Number(text))),
    );
    return own + below.reduce((sum, bytes) => sum + bytes, 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH'))
      return 0;
    throw error;
  }
}
