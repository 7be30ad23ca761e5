import { UsageError } from './errors.ts';
import type { Logger } from './logger.ts';

const SHUTDOWN_LIMIT_MS = 15_000;

/**
 * Runs a long-lived program: `start` gives back how to stop it. It stops on SIGTERM, on SIGINT, and when the process
 * that forked it goes away, so that a killed supervisor leaves no orphan. Under a supervisor SIGINT is ignored: Ctrl-C
 * reaches the whole process group, and the supervisor stops its children in order.
 */
export async function runProgram(logger: Logger, start: () => Promise<() => Promise<void>>): Promise<void> {
  let stop: () => Promise<void>;
  try {
    stop = await start();
  } catch (error) {
    if (error instanceof UsageError) logger.fatal(error.message);
    else logger.fatal({ err: error }, 'could not start');
    process.exit(error instanceof UsageError ? 2 : 1);
  }
  let stopping = false;
  const shutdown = (cause: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ cause }, 'stopping');
    setTimeout(() => {
      logger.error(`did not stop within ${SHUTDOWN_LIMIT_MS / 1000} s, exiting`);
      process.exit(1);
    }, SHUTDOWN_LIMIT_MS).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'failed while stopping');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => {
    shutdown('SIGTERM');
  });
  if (process.send === undefined) {
    process.on('SIGINT', () => {
      shutdown('SIGINT');
    });
  } else {
    process.on('SIGINT', () => undefined);
    process.on('disconnect', () => {
      shutdown('the supervisor is gone');
    });
    process.send({ type: 'started' });
  }
}
