import { spawn } from 'node:child_process';
import { z } from 'zod';
import { openLogFile } from '../log-file.ts';

/**
 * Runs one Postgres server and ends it cleanly when told to, or when whoever forked this guard is gone. It leads its own
 * process group: Ctrl-C of a terminal does not reach the server before the programs that use it have stopped.
 * Argument: one JSON object, `GuardOptions`. Exit code: the server's.
 */
export const guardOptions = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()),
  logFile: z.string().min(1),
  account: z.strictObject({ uid: z.int(), gid: z.int() }).optional(),
});
export type GuardOptions = z.infer<typeof guardOptions>;

/** Fast shutdown first (clients are cut off, the data is checkpointed), then immediate, then the axe. */
const STEPS: { signal: NodeJS.Signals; waitMs: number }[] = [
  { signal: 'SIGINT', waitMs: 10_000 },
  { signal: 'SIGQUIT', waitMs: 5_000 },
  { signal: 'SIGKILL', waitMs: 1_000 },
];

function guard(options: GuardOptions): void {
  const log = openLogFile(options.logFile);
  const server = spawn(options.command, options.args, {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
    ...options.account,
  });
  server.stdout.on('data', (chunk: Buffer) => {
    log.write(chunk);
  });
  server.stderr.on('data', (chunk: Buffer) => {
    log.write(chunk);
  });
  server.once('error', (error) => {
    log.write(`${error.message}\n`);
    process.exitCode = 1;
    leave();
  });
  server.once('close', (code) => {
    process.exitCode = code ?? 1;
    leave();
  });
  function leave(): void {
    log.close();
    process.exit();
  }
  let stopping = false;
  function stop(step = 0): void {
    const current = STEPS[step];
    if (current === undefined) return;
    server.kill(current.signal);
    setTimeout(stop, current.waitMs, step + 1);
  }
  const stopOnce = (): void => {
    if (!stopping) stop();
    stopping = true;
  };
  process.on('disconnect', stopOnce);
  process.on('SIGTERM', stopOnce);
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
}

guard(guardOptions.parse(JSON.parse(process.argv[2] ?? '')));
