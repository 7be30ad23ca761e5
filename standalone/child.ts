import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { UsageError } from '../foundation/errors.ts';
import { fetchAnywhere } from '../foundation/fetch.ts';
import { createLineReader, readableLine } from './child-output.ts';
import { openLogFile } from './log-file.ts';
import type { Running } from './supervise.ts';

const READY_LIMIT_MS = 120_000;
const POLL_MS = 50;
/** A little more than what programs give themselves. */
const STOP_LIMIT_MS = 17_000;

export interface ChildOptions {
  name: string;
  /** The program's file. */
  program: string;
  config: string;
  readyUrl: string;
  logFile: string;
  env: NodeJS.ProcessEnv;
  /** Gets warnings and errors of the program's log. */
  report: (message: string) => void;
  signal: AbortSignal;
}

/**
 * Runs one of our programs and resolves when it says that it is ready. It leads its own process group, so that Ctrl-C of
 * a terminal reaches it by way of the supervisor alone, in its turn; when the supervisor is killed, it ends by itself.
 * @throws UsageError when the program refuses its configuration, Error with the end of its log otherwise.
 */
export async function startChild(options: ChildOptions): Promise<Running> {
  const log = openLogFile(options.logFile);
  const child = fork(options.program, ['--config', options.config], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: options.env,
  });
  const last: string[] = [];
  const onLine = (line: string): void => {
    log.write(`${line}\n`);
    const readable = readableLine(line);
    if (readable === undefined) return;
    last.push(readable);
    if (last.length > 8) last.shift();
    options.report(readable);
  };
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', createLineReader(onLine));
  const exited = ended(child).finally(() => {
    log.close();
  });
  const running: Running = {
    exited,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await exited;
      clearTimeout(timer);
    },
    kill() {
      child.kill('SIGKILL');
    },
  };
  try {
    await untilReady(options, exited, child);
    return running;
  } catch (error) {
    if (options.signal.aborted) await running.stop();
    else running.kill();
    await exited;
    if (error instanceof EndedError) {
      const message = `${options.name} ended while starting (${error.message}).\n${last.join('\n')}\nLog: ${options.logFile}`;
      throw child.exitCode === 2 ? new UsageError(message) : new Error(message);
    }
    throw error;
  }
}

class EndedError extends Error {}

async function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('close', (code, signal) => {
      resolve(signal === null ? `code ${String(code)}` : `signal ${signal}`);
    });
  });
}

async function untilReady(
  { name, readyUrl, signal, logFile }: ChildOptions,
  exited: Promise<string>,
  child: ChildProcess,
): Promise<void> {
  const deadline = performance.now() + READY_LIMIT_MS;
  let problem = 'no answer';
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    if (child.exitCode !== null || child.signalCode !== null) throw new EndedError(await exited);
    const answer = await askReady(readyUrl);
    if (answer === 'ready') return;
    problem = answer ?? problem;
    await Promise.race([delay(POLL_MS), exited]);
  }
  throw new Error(`${name} was not ready after ${READY_LIMIT_MS / 1000} s: ${problem} Log: ${logFile}`);
}

/** `ready`, or the problems that a 503 names, or undefined while nobody answers. */
async function askReady(url: string): Promise<string | undefined> {
  try {
    const response = await fetchAnywhere(url, { signal: AbortSignal.timeout(2_000) });
    const text = await response.text();
    return response.ok ? 'ready' : text.slice(0, 1_000);
  } catch {
    return undefined;
  }
}
