/**
 * Runs the processes of one API server, and ends them when told to, when one of them ends, or when whoever forked this
 * guard is gone; then removes their folder. It leads its own process group, so that Ctrl-C of a terminal does not reach
 * it. Argument: one JSON object, `GuardOptions`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface GuardOptions {
  /** Where they run and log, as NAME.log. Removed at the end. */
  folder: string;
  processes: { name: string; command: string; args: string[] }[];
}

/** Sent to who forked it when a process ended by itself. */
export interface GuardReport {
  ended: string;
  how: string;
  /** The end of its log. */
  log: string;
}

const LOG_CHARACTERS = 4_000;

function guard({ folder, processes }: GuardOptions): void {
  const children: ChildProcess[] = [];
  const exits: Promise<string>[] = [];
  let leaving = false;

  const leave = async (code: number): Promise<void> => {
    if (leaving) return;
    leaving = true;
    // There is nothing to save: neither needs a clean end.
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(exits);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    process.exit(code);
  };
  const report = async (ended: string, how: string): Promise<void> => {
    if (leaving) return;
    const log = await readFile(join(folder, `${ended}.log`), 'utf8').catch(() => '');
    const message: GuardReport = { ended, how, log: log.slice(-LOG_CHARACTERS) };
    if (process.connected) await new Promise((resolve) => process.send?.(message, resolve));
    await leave(1);
  };

  const onSignal = (): void => {
    void leave(0);
  };
  process.on('disconnect', onSignal);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal);

  for (const { name, command, args } of processes) {
    const log = openSync(join(folder, `${name}.log`), 'a', 0o600);
    const child = spawn(command, args, { cwd: folder, stdio: ['ignore', log, log] });
    closeSync(log);
    children.push(child);
    const exit = ended(child);
    exits.push(exit);
    void exit.then((how) => report(name, how));
  }
}

async function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('exit', (code, signal) => {
      resolve(signal === null ? `code ${String(code)}` : `signal ${signal}`);
    });
  });
}

guard(JSON.parse(process.argv[2] ?? '') as GuardOptions);
