import { StringDecoder } from 'node:string_decoder';
import { z } from 'zod';

const MAX_LINE_CHARACTERS = 64 * 1024;
const WARN = 40;

/** Cuts a stream of bytes into lines; one that is too long is cut as well. */
export function createLineReader(onLine: (line: string) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  return (chunk) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE_CHARACTERS) {
      lines.push(rest);
      rest = '';
    }
    for (const line of lines) if (line !== '') onLine(line);
  };
}

const logLine = z.object({
  level: z.number(),
  msg: z.string().optional(),
  reason: z.string().optional(),
  err: z.object({ message: z.string() }).optional(),
});

/** What a person should see of a log line: warnings and worse, and whatever is not of our log at all. */
export function readableLine(line: string): string | undefined {
  const parsed = logLine.safeParse(jsonOrUndefined(line));
  if (!parsed.success) return line;
  const { level, msg, reason, err } = parsed.data;
  if (level < WARN) return undefined;
  return [msg, reason ?? err?.message].filter((part) => part !== undefined).join(': ');
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Lets through `limit` messages in any `windowMs`, then one that says where the others are. */
export function createThrottle(
  { limit, windowMs, where }: { limit: number; windowMs: number; where: string },
  write: (text: string) => void,
  now: () => number,
): (text: string) => void {
  let from = -Infinity;
  let count = 0;
  return (text) => {
    if (now() - from >= windowMs) {
      from = now();
      count = 0;
    }
    count++;
    if (count <= limit) write(text);
    else if (count === limit + 1) write(`more of this is in ${where}`);
  };
}
