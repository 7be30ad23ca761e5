import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const START_LIMIT_MS = 60_000;

export interface RunningProgram {
  child: ChildProcess;
  /** Its configuration file. */
  file: string;
  /** What it has logged so far. */
  log: () => string;
  /** SIGTERM, or the signal given; resolves with the exit code once it is gone. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Forks one of our programs as the supervisor does, and waits until it serves. The configuration is a file of its own. */
export async function startProgram(main: string, config: unknown): Promise<RunningProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-program-'));
  const file = join(folder, 'config.json');
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  const child = fork(fileURLToPath(new URL(`../../${main}`, import.meta.url)), ['--config', file], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [],
  });
  let log = '';
  child.stdout?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${main} did not start within ${START_LIMIT_MS / 1000} s:\n${log}`));
    }, START_LIMIT_MS);
    child.once('message', () => {
      clearTimeout(timer);
      resolve();
    });
    void exited.then((code) => {
      clearTimeout(timer);
      reject(new Error(`${main} ended with ${String(code)} instead of starting:\n${log}`));
    });
  });
  return {
    child,
    file,
    log: () => log,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const code = await exited;
      await rm(folder, { recursive: true, force: true });
      return code;
    },
  };
}

/** Loopback ports that were free a moment ago. */
export async function freePorts<const N extends readonly string[]>(
  ...names: N
): Promise<Record<N[number], number>> {
  const servers = await Promise.all(
    names.map(async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as Record<N[number], number>;
}

/** Waits for a condition instead of for a time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${limitMs / 1000} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
