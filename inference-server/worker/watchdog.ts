import { Worker } from 'node:worker_threads';

/**
 * Kills this process within a second of its parent's death. A thread of its own watches, since a run of the model
 * blocks this one, and an orphan would hold its memory or GPU until the run ends.
 */
export function dieWithParent(): void {
  const watch = `
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
    }, 500);
  `;
  new Worker(watch, { eval: true }).unref();
}
