import type { ErrorBody } from '../contracts/error.ts';
import { type DetailNames, type ErrorCode, errorCodes } from '../contracts/error-codes.ts';
import { chineseReasons, chineseRules, chineseWords } from '../contracts/errors/words.ts';
import { fill, isLocalized, type Language } from './language.ts';

/**
 * An error meant for the person who made the request: a status, a stable code, and a sentence that says what happened
 * and what to do next. Anything else thrown is a fault of ours and leaves as `internal`.
 */
export class RequestError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: Record<string, unknown> | undefined;
  readonly headers: Record<string, string>;

  constructor(
    status: number,
    code: string,
    message: string,
    extra: { details?: Record<string, unknown>; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.name = 'RequestError';
    this.status = status;
    this.code = code;
    this.details = extra.details;
    this.headers = extra.headers ?? {};
  }
}

type Details = Record<string, unknown>;
type IsUnion<T, U = T> = T extends U ? ([U] extends [T] ? false : true) : never;
/** The details that the sentence needs; of a code that is only known when it runs, whichever it needs. */
type DetailsOf<C extends ErrorCode> =
  IsUnion<C> extends true ? Details : Record<DetailNames<C>, unknown> & Details;
type Rest = [headers?: Record<string, string>, cause?: unknown];
type Extra<C extends ErrorCode> = [DetailNames<C>] extends [never]
  ? [details?: DetailsOf<C>, ...Rest]
  : [details: DetailsOf<C>, ...Rest];

/**
 * The refusal of that code, for `throw`. Its details fill the sentence and are given to the client; one that is words
 * comes in both languages (`Localized`). `retryAfter`, in seconds, also becomes the header.
 */
export function refusal<C extends ErrorCode>(code: C, ...extra: Extra<C>): RequestError {
  const [details = {}, headers = {}, cause] = extra as [Details?, Record<string, string>?, unknown?];
  const { status, en } = errorCodes[code];
  const { retryAfter } = details;
  return new RequestError(status, code, fill(en, translated(details, 'en', WORDS)), {
    ...(Object.keys(details).length === 0 ? {} : { details }),
    headers: typeof retryAfter === 'number' ? { 'retry-after': String(retryAfter), ...headers } : headers,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Details that are words of the product; others, such as names, are said as they are. */
const WORDS = new Set(['period', 'scope', 'unit', 'what']);
/** In the body they stay what programs know them by. */
const NONE = new Set<string>();

/** The details with what is words in the reader's language, at any depth. */
function translated(details: Details, language: Language, words: ReadonlySet<string>): Details {
  const { rule } = details;
  return Object.fromEntries(
    Object.entries(details).map(([name, value]) => {
      if (language === 'zh' && typeof value === 'string') {
        if (words.has(name)) return [name, chineseWords[value] ?? value];
        if (name === 'reason')
          return [name, (typeof rule === 'string' ? chineseRules[rule] : chineseReasons[value]) ?? value];
      }
      return [name, inLanguage(value, language)];
    }),
  );
}

function inLanguage(value: unknown, language: Language): unknown {
  if (isLocalized(value)) return value[language];
  if (Array.isArray(value)) return value.map((one) => inLanguage(one, language));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inLanguage(one, language)]));
}

/** The error's sentence in the reader's language. */
export function sentence(error: RequestError, language: Language): string {
  if (language === 'en' || !isCode(error.code)) return error.message;
  const { zh } = errorCodes[error.code];
  const details = translated(error.details ?? {}, language, WORDS);
  // Rather the other language than half a sentence.
  const whole = Array.from(zh.matchAll(/\{(\w+)\}/g)).every(([, name = '']) => isText(details[name]));
  return whole ? fill(zh, details) : error.message;
}

const isText = (value: unknown): value is string | number =>
  typeof value === 'string' || typeof value === 'number';

const isCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code);

/** Whatever was thrown, as the client may see it. */
export function toRequestError(error: unknown): RequestError {
  return error instanceof RequestError ? error : refusal('internal', {}, {}, error);
}

/** The body of an answer, in the reader's language. */
export function errorBodyOf(
  error: RequestError,
  { requestId, language }: { requestId: string; language: Language },
): ErrorBody {
  const { code, details } = error;
  return {
    error: {
      code,
      message: sentence(error, language),
      requestId,
      ...(details === undefined ? {} : { details: translated(details, language, NONE) }),
    },
  };
}

/** An error for the person at the terminal: printed as it is, without a stack. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether it is an error of the system with this code, such as ENOENT. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
