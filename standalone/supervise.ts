/** Something that runs and may end by itself. */
export interface Running {
  /** Resolves with how it ended, in words. Never rejects. */
  exited: Promise<string>;
  /** Asks it to end, forces it after a limit. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Ends it at once. */
  kill(): void;
}

export interface Supervised {
  stop(): Promise<void>;
  kill(): void;
}

export interface SuperviseOptions {
  name: string;
  /** Resolves when it is ready. */
  start: (signal: AbortSignal) => Promise<Running>;
  report: (message: string) => void;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  now: () => number;
}

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 30_000;
/** After running so long, a fault counts as the first one again. */
const STABLE_MS = 60_000;

export function backoffMs(failures: number): number {
  return Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1));
}

/**
 * Starts it, and starts it again whenever it ends by itself, each time after a longer while. The first start must
 * succeed. @throws what the first start throws.
 */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const stopping = new AbortController();
  const state = { running: await options.start(stopping.signal) };
  const watching = watch(state, options, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await watching;
      await state.running.stop();
    },
    kill() {
      stopping.abort();
      state.running.kill();
    },
  };
}

async function watch(
  state: { running: Running },
  { name, start, report, sleep, now }: SuperviseOptions,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  let startedAt = now();
  const stopped = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(undefined);
    });
  });
  while (!signal.aborted) {
    const how = await Promise.race([state.running.exited, stopped]);
    if (how === undefined) return;
    failures = now() - startedAt >= STABLE_MS ? 1 : failures + 1;
    const delay = backoffMs(failures);
    report(`${name} ended (${how}); it is started again in ${delay / 1000} s.`);
    await sleep(delay, signal).catch(() => undefined);
    if (isAborted(signal)) return;
    startedAt = now();
    try {
      state.running = await start(signal);
      report(`${name} is back.`);
    } catch (error) {
      if (isAborted(signal)) return;
      report(`${name} did not start: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** A call, since the flag changes while others run, which the type checker does not see. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}
