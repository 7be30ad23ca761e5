/** Folders of API servers, whose names say which process they serve. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify } from '../cluster/members.ts';

const PREFIX = 'imageplane-apiserver';
const NAME = /^imageplane-apiserver-(?<pid>\d+)-(?<started>\d+)-/;

/** A new folder (mode 0700), named after this process and its start. */
export async function createFolder(): Promise<string> {
  const self = await identify(process.pid);
  return mkdtemp(join(tmpdir(), `${PREFIX}-${process.pid}-${self?.started ?? 0}-`));
}

/**
 * Removes folders of processes that have ended. A guard does so itself; only when it was killed together with its test
 * process is one left. Where there is no /proc, nothing is known of processes and nothing removed.
 */
export async function removeLeftovers(): Promise<void> {
  if ((await identify(process.pid)) === undefined) return;
  for (const entry of await readdir(tmpdir())) {
    const { pid, started } = NAME.exec(entry)?.groups ?? {};
    if (pid === undefined || (await identify(Number(pid)))?.started === started) continue;
    // Another user's, or one that its guard removes at this moment.
    await rm(join(tmpdir(), entry), { recursive: true, force: true }).catch(() => undefined);
  }
}
