import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../foundation/errors.ts';
import { createTerminal } from './console.ts';
import { helpText, type Options, parseOptions, type Surroundings } from './options.ts';
import { run } from './run.ts';

/** npm hands on the Ctrl-C that the terminal has sent to everybody: two within this time are one. */
const SAME_PRESS_MS = 1_000;

/** Runs `npm start` and sets the exit code: 0 stopped as asked, 1 failed, 2 something for the person to correct. */
export async function start(): Promise<void> {
  const checkout = dirname(dirname(fileURLToPath(import.meta.url)));
  const surroundings: Surroundings = {
    env: process.env,
    cwd: personsFolder(),
    checkout,
    root: process.getuid?.() === 0,
  };
  // A terminal that was closed takes no more text; stopping goes on without it.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const options = parseOptions(process.argv.slice(2), surroundings);
    if (options === 'help') process.stdout.write(helpText(surroundings));
    else await runOptions(options, surroundings);
  } catch (error) {
    const usage = error instanceof UsageError;
    process.stderr.write(`${usage ? error.message : String(error instanceof Error ? error.stack : error)}\n`);
    process.exitCode = usage ? 2 : 1;
  }
  // Whatever a library may keep open: everything of ours has stopped.
  process.exit();
}

async function runOptions(options: Options, { cwd, checkout }: Surroundings): Promise<void> {
  const now = (): number => performance.now();
  const terminal = createTerminal({
    write: (text) => process.stdout.write(text),
    // Some terminals do not know their width.
    columns: () => (process.stdout.isTTY ? Math.max(process.stdout.columns, 40) : undefined),
    now,
    debug: options.logLevel === 'debug' || options.logLevel === 'trace',
  });
  const stop = new AbortController();
  const force = new AbortController();
  let firstAt = -Infinity;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!stop.signal.aborted) {
      firstAt = now();
      terminal.line(`\nStopping (${signal}). Ctrl-C again: at once. 正在停止，再按一次 Ctrl-C 立即结束。`);
      stop.abort();
    } else if (now() - firstAt > SAME_PRESS_MS && !force.signal.aborted) {
      terminal.line('Ending everything at once.');
      process.exitCode = 1;
      force.abort();
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  await run({
    options,
    checkout,
    cwd,
    env: process.env,
    terminal,
    stop: stop.signal,
    force: force.signal,
    now,
    random: Math.random,
  });
  terminal.line('Stopped. 已停止。');
}

/** npm runs scripts in the package's folder, and says in which one the person stands. */
function personsFolder(): string {
  const { INIT_CWD, npm_lifecycle_event } = process.env;
  return npm_lifecycle_event !== undefined && INIT_CWD !== undefined ? INIT_CWD : process.cwd();
}
