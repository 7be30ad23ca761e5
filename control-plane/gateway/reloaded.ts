import { stat } from 'node:fs/promises';
import { messageOf } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';

const LOOK_EVERY_MS = 2_000;

export interface Reloaded<T> {
  current: () => T;
  stop: () => void;
}

/**
 * What `read` makes of some files, made anew when they change, so that a rotated secret needs no restart. A new version
 * that cannot be used leaves the old one in use.
 * @throws what `read` throws at the start.
 */
export async function openReloaded<T>(
  paths: readonly string[],
  read: () => Promise<T>,
  logger: Logger,
  onChange: (value: T) => void = () => undefined,
): Promise<Reloaded<T>> {
  let version = await versionOf(paths).catch(() => '');
  let value = await read();
  let complained = '';

  async function look(): Promise<void> {
    const found = await versionOf(paths);
    if (found === version) return;
    value = await read();
    version = found;
    complained = '';
    logger.info({ paths }, 'read again, since it changed');
    onChange(value);
  }

  const timer = setInterval(() => {
    look().catch((error: unknown) => {
      const message = messageOf(error);
      if (message !== complained) logger.error({ err: error, paths }, 'what changed cannot be used');
      complained = message;
    });
  }, LOOK_EVERY_MS);
  timer.unref();
  return {
    current: () => value,
    stop() {
      clearInterval(timer);
    },
  };
}

/** A mounted secret changes by a link to another file: its inode changes even where times do not. */
async function versionOf(paths: readonly string[]): Promise<string> {
  const infos = await Promise.all(paths.map((path) => stat(path)));
  return infos.map(({ ino, mtimeMs, size }) => `${ino}:${mtimeMs}:${size}`).join(' ');
}
