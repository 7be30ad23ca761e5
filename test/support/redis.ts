import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts, until } from './program.ts';

export interface TestRedis {
  url: string;
  /** Resolves once it has ended, for signals that end it. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it on the same port, empty: nothing is kept on the disk. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Debian's redis-server, in a folder of its own, on a free loopback port. */
export async function startRedis(): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-test-redis-'));
  const { redis: port } = await freePorts('redis');
  let child: ChildProcess;
  let ended: Promise<unknown>;

  async function start(): Promise<void> {
    const settings = { port: String(port), bind: '127.0.0.1', dir: folder, save: '', appendonly: 'no' };
    child = spawn(
      'redis-server',
      Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      { stdio: 'ignore' },
    );
    ended = new Promise((resolve) => child.once('exit', resolve));
    await until('redis-server answers', () => answers(port));
  }
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await ended;
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    restart: start,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) await kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString().startsWith('+PONG'));
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
