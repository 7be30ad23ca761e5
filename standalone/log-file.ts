import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const MAX_BYTES = 10 * 1024 * 1024;

export interface LogFile {
  readonly path: string;
  write(chunk: Buffer | string): void;
  close(): void;
}

/** Appends to `path`; once it holds `maxBytes`, it becomes `path.old` (the one before is dropped) and a new one begins. */
export function openLogFile(path: string, maxBytes = MAX_BYTES): LogFile {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let descriptor = openSync(path, 'a', 0o600);
  let size = fstatSync(descriptor).size;
  let open = true;
  return {
    path,
    write(chunk) {
      if (!open) return;
      if (size >= maxBytes) {
        closeSync(descriptor);
        renameSync(path, `${path}.old`);
        descriptor = openSync(path, 'a', 0o600);
        size = 0;
      }
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      size += writeSync(descriptor, bytes);
    },
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}
