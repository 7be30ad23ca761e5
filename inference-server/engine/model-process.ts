import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type FromModelProcess, fromModelProcess, type LoadOrder, type Order } from '../worker/protocol.ts';

const PROGRAM = fileURLToPath(new URL('../worker/main.ts', import.meta.url));

type Message<T extends FromModelProcess['type']> = Extract<FromModelProcess, { type: T }>;
export type Died = { type: 'died'; cause: string };
export type Ready = Message<'ready'>;
export type LoadOutcome = Ready | Message<'unusable'> | Died;
export type RunOutcome = Message<'done'> | Message<'refused'> | Died;

/** One child process with one model, which does one job at a time. Nothing here rejects: outcomes are data. */
export interface ModelProcess {
  pid: number | undefined;
  loaded: Promise<LoadOutcome>;
  run(order: Order): Promise<RunOutcome>;
  /** At once, in the middle of a run too: nothing else can stop one. */
  kill(): void;
  exited: Promise<Died>;
}

/**
 * Large blocks come from the system and go back to it: glibc would otherwise keep what the loading of a model needed
 * for a moment, 200 MiB for IS-Net. Other allocators do not read it.
 */
const ALLOCATOR = { MALLOC_MMAP_THRESHOLD_: '131072' };

export function startModelProcess(order: LoadOrder): ModelProcess {
  const child = fork(PROGRAM, [], {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // ONNX Runtime would keep and send telemetry of its own: nothing here phones home.
    env: { ...ALLOCATOR, ...process.env, ORT_DISABLE_TELEMETRY: '1' },
  });
  let jobs = 0;
  let settleLoad: (outcome: LoadOutcome) => void = () => undefined;
  let dead: Died | undefined;
  let running: { job: number; settle: (outcome: RunOutcome) => void } | undefined;
  const loaded = new Promise<LoadOutcome>((resolve) => {
    settleLoad = resolve;
  });
  const kill = (): void => {
    child.kill('SIGKILL');
  };

  const exited = new Promise<Died>((resolve) => {
    const ended = (cause: string): void => {
      dead = { type: 'died', cause };
      settleLoad(dead);
      running?.settle(dead);
      running = undefined;
      resolve(dead);
    };
    child.once('exit', (code, signal) => {
      ended(signal === null ? `it exited with status ${code ?? 'unknown'}` : `it was ended by ${signal}`);
    });
    child.on('error', (error) => {
      // A process that cannot be started has no exit; one that cannot be written to is on its way out.
      if (child.pid === undefined) ended(error.message);
      else kill();
    });
  });

  child.on('message', (value) => {
    const { data: message } = fromModelProcess.safeParse(value);
    if (message === undefined) kill();
    else if (message.type === 'ready' || message.type === 'unusable') settleLoad(message);
    else if (message.job === running?.job) {
      running.settle(message);
      running = undefined;
    }
  });
  child.send(order);

  return {
    pid: child.pid,
    loaded,
    async run(work) {
      if (dead !== undefined) return dead;
      const job = ++jobs;
      const outcome = new Promise<RunOutcome>((settle) => {
        running = { job, settle };
      });
      // Without a channel the process is ending: its exit settles the job.
      if (child.connected) child.send({ type: 'run', job, order: work });
      return outcome;
    },
    kill,
    exited,
  };
}
