import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { attempt } from '../cluster/exec.ts';
import type { GuardOptions, GuardReport } from './guard.ts';

export interface GuardedProcesses {
  guard: ChildProcess;
  /** Resolves with the reason once guard and processes have ended. */
  ended: Promise<string>;
}

/** Starts processes in `folder` under a guard, which ends them and removes the folder when this process is gone. */
export async function startGuarded(
  folder: string,
  processes: GuardOptions['processes'],
): Promise<GuardedProcesses> {
  const prefix = await deathSignal();
  const options: GuardOptions = {
    folder,
    processes: processes.map(({ name, command, args }) => {
      const [first = command, ...rest] = [...prefix, command, ...args];
      return { name, command: first, args: rest };
    }),
  };
  const guard = fork(join(import.meta.dirname, 'guard.ts'), [JSON.stringify(options)], {
    detached: true,
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return { guard, ended: endOf(guard) };
}

/**
 * With setpriv of util-linux the kernel ends a process when its guard is killed. Elsewhere a killed guard leaves them
 * running; a killed test process does not, anywhere.
 */
async function deathSignal(): Promise<string[]> {
  const prefix = ['setpriv', '--pdeathsig', 'KILL'];
  const [command = '', ...args] = prefix;
  const { code } = await attempt(command, [...args, 'true']);
  return code === 0 ? prefix : [];
}

async function endOf(guard: ChildProcess): Promise<string> {
  let reason: string | undefined;
  guard.on('message', (message) => {
    const { ended, how, log } = message as GuardReport;
    reason = `${ended} ended with ${how}. The end of its log:\n${log}`;
  });
  return new Promise((resolve) => {
    guard.once('error', (error) => {
      resolve(error.message);
    });
    guard.once('close', (code, signal) => {
      resolve(reason ?? `its guard ended with ${signal ?? `code ${String(code)}`}`);
    });
  });
}
