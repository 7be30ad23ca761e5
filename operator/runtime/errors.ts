/** The API server's answer was not success. `reason` and the message are those of its Status. */
export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;
  /** How long the server asks to wait before trying again. */
  readonly retryAfterMs: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterMs?: number) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A reconcile failed in a way that trying again cannot mend until an object changes. */
export class TerminalError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TerminalError';
  }
}

/** Somebody else changed the object first; the next try reads it anew. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409 && error.reason === 'Conflict';
}

/** The resource version or continue token is too old: only a new list helps. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 410 || error.reason === 'Expired');
}

interface Status {
  message?: unknown;
  reason?: unknown;
  code?: unknown;
  details?: { retryAfterSeconds?: unknown };
}

/** The error of an answer that may or may not be a `Status` object. `retryAfter` is the header, in seconds. */
export function apiErrorOf(status: number, body: unknown, subject: string, retryAfter?: string): ApiError {
  const { message, reason, code, details } = asStatus(body);
  const seconds = Number(retryAfter ?? details?.retryAfterSeconds);
  return new ApiError(
    typeof code === 'number' ? code : status,
    typeof reason === 'string' && reason !== '' ? reason : 'Unknown',
    `${subject}: ${typeof message === 'string' ? message : `status ${status}`}`,
    Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
  );
}

function asStatus(body: unknown): Status {
  return typeof body === 'object' && body !== null ? body : {};
}
