import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger };

/** JSON lines on standard output. Credentials are removed here once more, should a caller ever log headers. */
export function createLogger(program: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { program },
    timestamp: stdTimeFunctions.isoTime,
    redact: {
      paths: [
        'authorization',
        'cookie',
        'headers.authorization',
        'headers.cookie',
        'headers["x-api-key"]',
        'key',
      ],
      censor: '[removed]',
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Standard output, several lines at a time. What is fatal is written at once; a process that is killed loses the last. */
export function bufferedOutput(): DestinationStream {
  return pino.destination({ dest: 1, sync: false, minLength: 4_096, periodicFlush: 100 });
}
