import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * Runs the programs it is told to, and ends them when told to or when whoever forked this guard is gone, however that
 * came about; then removes their folder. One message: `GuardOrder`. When a program ends by itself, all end.
 */
export const guardOrder = z.strictObject({
  folder: z.string().min(1),
  programs: z.array(z.strictObject({ name: z.string(), command: z.string(), args: z.array(z.string()) })),
});
export type GuardOrder = z.infer<typeof guardOrder>;

const PATIENCE_MS = 5_000;

function start({ folder, programs }: GuardOrder): void {
  const children: ChildProcess[] = programs.map(({ name, command, args }) => {
    const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(folder, `${name}.log`), { mode: 0o600 });
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    child.once('error', stop);
    child.once('exit', stop);
    return child;
  });
  let stopping = false;
  function stop(): void {
    if (stopping) return;
    stopping = true;
    void end();
  }
  async function end(): Promise<void> {
    // The API server first: it would wait for an etcd that is gone.
    for (const child of children.toReversed()) await ended(child);
    await rm(folder, { recursive: true, force: true });
    process.exit();
  }
  process.on('disconnect', stop);
  process.on('SIGTERM', stop);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  child.kill('SIGTERM');
  const axe = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  await gone;
  clearTimeout(axe);
}

// Ctrl-C of a terminal reaches the whole group; who forked us stops us in order.
process.on('SIGINT', () => undefined);
process.once('message', (message) => {
  start(guardOrder.parse(message));
});
