import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python.ts';

const application = fileURLToPath(new URL('../fixtures/gradio-app/app.py', import.meta.url));
const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 5000;
const KEPT_LINES = 50;

/** The application of `test/fixtures/gradio-app` running on this machine. */
export interface GradioApp {
  /** `http://127.0.0.1:PORT`, without a slash at the end. */
  url: string;
  stop(): Promise<void>;
}

/**
 * Starts the Gradio application on a free port of the loopback address and waits until it answers.
 * @param rootPath the path under which browsers see it, such as `/s/demo/gradio`; none when they see it as it is.
 * @throws Error with the application's last output when it ends or does not answer in time.
 */
export async function startGradioApp({ rootPath = '' }: { rootPath?: string } = {}): Promise<GradioApp> {
  const { python, variables } = await pythonEnvironment('gradio');
  const port = await freePort();
  const uploads = await mkdtemp(join(tmpdir(), 'imageplane-gradio-'));
  const child = spawn(python, [application], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...variables,
      STOP_AT_END_OF_INPUT: '1',
      GRADIO_SERVER_PORT: String(port),
      GRADIO_NUM_PORTS: '1',
      GRADIO_ROOT_PATH: rootPath,
      GRADIO_TEMP_DIR: uploads,
    },
  });
  const stop = async (): Promise<void> => {
    await stopProcess(child);
    await rm(uploads, { recursive: true, force: true });
  };
  try {
    await readiness(child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, stop };
}

/** Resolves when the application says that it is ready; its output goes on being read so that it never blocks. */
async function readiness(child: ChildProcess): Promise<void> {
  const output: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const fail = (what: string): void => {
      clearTimeout(timer);
      reject(new Error(`The Gradio application ${what}. Its last output:\n${output.join('\n')}`));
    };
    const timer = setTimeout(() => {
      fail(`did not answer within ${START_LIMIT_MS / 1000} s`);
    }, START_LIMIT_MS);
    child.once('error', (error) => {
      fail(`could not be started: ${error.message}`);
    });
    child.once('close', (code, signal) => {
      fail(`ended with ${signal ?? code ?? 'no status'}`);
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        output.push(line);
        if (output.length > KEPT_LINES) output.shift();
        if (!line.startsWith('ready on ')) return;
        clearTimeout(timer);
        resolve();
      });
    }
  });
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await ended;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return address.port;
}
