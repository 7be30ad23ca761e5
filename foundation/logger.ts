import { type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger };

/** JSON lines on standard output. Credentials are removed here once more, should a caller ever log headers. */
export function createLogger(program: string, level: string): Logger {
  return pino({
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
  });
}
