import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { shellEnvironment } from './checkout.ts';

export interface Standalone {
  child: ChildProcess;
  /** Everything printed until now, standard output and error together. */
  output: () => string;
  /** Resolves with the exit code; a signal's name when it was killed. */
  exited: Promise<number | string>;
  /** Resolves with the first match in the output. @throws Error with the output, when it ends before. */
  printed: (pattern: RegExp, limitMs?: number) => Promise<RegExpExecArray>;
  /** What a terminal does on Ctrl-C: SIGINT to every process of the foreground group. */
  pressCtrlC: () => void;
  /** SIGKILL to that group. */
  killHard: () => void;
}

/** Runs `npm start -- args` in a process group of its own, as a shell with job control does. */
export function npmStart(
  checkout: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): Standalone {
  const child = spawn('npm', ['start', '--', ...args], {
    cwd: checkout,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...shellEnvironment(), ...environment },
  });
  let output = '';
  const listeners = new Set<() => void>();
  const onData = (chunk: Buffer): void => {
    output += chunk.toString('utf8');
    for (const listener of listeners) listener();
  };
  child.stdout.on('data', onData);
  child.stderr.on('data', onData);
  const exited = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(code ?? signal ?? 'unknown');
    });
  });
  const signalGroup = (signal: NodeJS.Signals): void => {
    try {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch (error) {
        // The whole group has ended.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
      }
    } catch {
      // The whole group has ended.
    }
  };
  return {
    child,
    output: () => output,
    exited,
    async printed(pattern, limitMs = 300_000) {
      return new Promise((resolve, reject) => {
        const finish = (error?: Error, match?: RegExpExecArray): void => {
          clearTimeout(timer);
          listeners.delete(look);
          if (match === undefined) reject(error ?? new Error('no match'));
          else resolve(match);
        };
        const look = (): void => {
          const match = pattern.exec(output);
          if (match !== null) finish(undefined, match);
        };
        const timer = setTimeout(() => {
          finish(new Error(`${String(pattern)} was not printed within ${limitMs} ms:\n${output}`));
        }, limitMs);
        listeners.add(look);
        look();
        exited.then(
          (code) => {
            finish(new Error(`it ended (${String(code)}) without printing ${String(pattern)}:\n${output}`));
          },
          (error: unknown) => {
            finish(error instanceof Error ? error : new Error(String(error)));
          },
        );
      });
    },
    pressCtrlC: () => {
      signalGroup('SIGINT');
    },
    killHard: () => {
      signalGroup('SIGKILL');
    },
  };
}

export interface ProcessInfo {
  pid: number;
  command: string;
}

/** Every process on this machine whose command, environment or working folder names the path. Linux only. */
export async function processesNaming(path: string): Promise<ProcessInfo[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0 && pid !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const text = async (name: string): Promise<string> =>
        (await readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim();
      const command = await text('cmdline');
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      // A zombie has neither: it has ended, and waits for its parent only.
      const named = `${command} ${await text('environ')} ${cwd}`.includes(path);
      return named ? [{ pid, command }] : [];
    }),
  );
  return found.flat();
}

/** The addresses on which any of the processes listens, as `ADDRESS:PORT`. Linux only. */
export async function listeningAddresses(pids: readonly number[]): Promise<string[]> {
  const inodes = new Set<string>();
  for (const pid of pids)
    for (const name of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const link = await readlink(`/proc/${pid}/fd/${name}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
      if (inode !== undefined) inodes.add(inode);
    }
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  return tables.flatMap((table) =>
    table.split('\n').flatMap((line) => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (local === undefined || state !== '0A' || inode === undefined || !inodes.has(inode)) return [];
      return [readableAddress(local)];
    }),
  );
}

/** The kernel writes addresses in hexadecimal, each group of four bytes in the machine's order. */
function readableAddress(hexadecimal: string): string {
  const [address = '', port = ''] = hexadecimal.split(':');
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex').reverse()]);
  const text =
    bytes.length === 4
      ? bytes.join('.')
      : (Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []).map((group) => group).join(':');
  return `${text}:${parseInt(port, 16)}`;
}
