import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

export interface ProcessLock {
  release(): void;
}

/**
 * Takes the lock at `path` if no process has it. The system itself holds it (an SQLite transaction that is never
 * committed, the one portable file lock that Node has), so that it ends with its process, kill -9 included: there are no
 * stale locks. The holder's pid stands in `path.pid`, for messages only.
 * @returns undefined when it is taken, by this process or another.
 */
export function tryLock(path: string): ProcessLock | undefined {
  closeSync(openSync(path, 'a', 0o600));
  // SQLite would make it readable for everybody, and gives its journal the same mode.
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Nothing is ever written: a journal would only lie about.
    database.exec('PRAGMA journal_mode = OFF');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  writeFileSync(`${path}.pid`, `${process.pid}\n`, { mode: 0o600 });
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}

/** The pid that holds, or last held, the lock. */
export function lockHolder(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(`${path}.pid`, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

const SQLITE_BUSY = 5;

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}
