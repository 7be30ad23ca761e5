import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../../foundation/errors.ts';
import type { OnProgress } from './progress.ts';
import { SourceError } from './source.ts';

/** Without a network it gives up after seconds instead of a minute; a person starts again when there is one. */
const NPM_OPTIONS = [
  '--loglevel=error',
  '--no-update-notifier',
  '--no-progress',
  '--fetch-retries=1',
  '--fetch-retry-mintimeout=1000',
];
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)\b/;

const POLL_MS = 250;
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;
const MAX_TARBALL_BYTES = 8 * 1024 ** 3;

/** Tarballs of npm packages, each downloaded once and kept until `close`. */
export interface Packages {
  /** The tarball's path. @throws SourceError with what npm said. */
  tarball(name: string, signal: AbortSignal, onProgress: OnProgress): Promise<string>;
  close(): Promise<void>;
}

/** Downloads by the machine's own npm, so that the registry, proxy and credentials of its .npmrc count. */
export function openPackages(folder: string, npm = 'npm'): Packages {
  const tarballs = new Map<string, Promise<string>>();
  let home: Promise<string> | undefined;
  const ownHome = async (): Promise<string> => {
    await mkdir(folder, { recursive: true });
    return mkdtemp(join(folder, `${process.pid}-`));
  };
  return {
    async tarball(name, signal, onProgress) {
      home ??= ownHome();
      const place = join(await home, String(tarballs.size));
      const known = tarballs.get(name) ?? pack({ npm, name, place, signal, onProgress });
      tarballs.set(name, known);
      try {
        return await known;
      } catch (error) {
        tarballs.delete(name);
        throw error;
      }
    },
    async close() {
      tarballs.clear();
      if (home !== undefined) await rm(await home, { recursive: true, force: true });
      home = undefined;
    },
  };
}

const packResult = z.tuple([z.object({ filename: z.string().regex(/^[A-Za-z0-9._-]+\.tgz$/) })]);

interface PackOptions {
  npm: string;
  name: string;
  place: string;
  signal: AbortSignal;
  onProgress: OnProgress;
}

async function pack({ npm, name, place, signal, onProgress }: PackOptions): Promise<string> {
  // A cache of its own: its growth is the only sign of progress that npm gives, and it goes when the tarball goes.
  const cache = join(place, 'cache');
  await mkdir(cache, { recursive: true });
  const watch = watchGrowth(cache, (bytes) => {
    onProgress({ phase: 'downloading', bytes, total: undefined });
  });
  try {
    const output = await runNpm(
      npm,
      ['pack', name, '--json', '--ignore-scripts', '--pack-destination', place, '--cache', cache],
      signal,
    );
    const [{ filename }] = packResult.parse(JSON.parse(output));
    const path = join(place, filename);
    const { size } = await stat(path);
    if (size > MAX_TARBALL_BYTES) throw new Error(`the tarball has ${size} bytes`);
    onProgress({ phase: 'downloading', bytes: size, total: size });
    return path;
  } catch (error) {
    signal.throwIfAborted();
    const [unreachable] = UNREACHABLE.exec(messageOf(error)) ?? [];
    throw new SourceError(
      `npm:${name}`,
      unreachable === undefined
        ? `npm pack failed: ${messageOf(error)}`
        : `npm cannot reach its registry (${unreachable}). Check the network, and registry and proxy in npm's settings ` +
            '(npm config get registry), then start again.',
    );
  } finally {
    watch.stop();
    await rm(cache, { recursive: true, force: true });
  }
}

async function runNpm(npm: string, args: string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(npm, [...args, ...NPM_OPTIONS], {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGTERM',
    });
    const output = collect(child.stdout);
    const complaints = collect(child.stderr);
    child.once('error', (error) => {
      const missing = 'code' in error && error.code === 'ENOENT';
      reject(missing ? new Error(`${npm} is not installed or not on the PATH`) : error);
    });
    child.once('close', (code) => {
      if (code === 0) resolve(output());
      else reject(new Error(complaints().trim() || `${npm} ended with code ${String(code)}`));
    });
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_OUTPUT_BYTES) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function watchGrowth(folder: string, report: (bytes: number) => void): { stop: () => void } {
  let stopped = false;
  const look = async (): Promise<void> => {
    const bytes = await folderSize(folder);
    if (stopped) return;
    report(bytes);
    timer = setTimeout(() => void look(), POLL_MS);
  };
  let timer = setTimeout(() => void look(), POLL_MS);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Files come and go while it looks: what cannot be read counts nothing. */
async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(join(entry.parentPath, entry.name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
