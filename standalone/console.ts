/** What the person at the terminal sees. One line may be rewritten in place, and is out of the way of all others. */
export interface Terminal {
  line(text: string): void;
  /** Rewrites the progress line; where that cannot be done, writes one now and then. */
  progress(key: string, text: string): void;
  endProgress(): void;
  /** A line at log level debug. */
  debug(text: string): void;
}

export interface TerminalOptions {
  write: (text: string) => void;
  /** Columns, when the output is a terminal. */
  columns: () => number | undefined;
  now: () => number;
  debug: boolean;
}

const REWRITE_EVERY_MS = 100;
const LINE_EVERY_MS = 3_000;
const CLEAR = '\r\u001b[K';

export function createTerminal({ write, columns, now, debug }: TerminalOptions): Terminal {
  let shown = false;
  let lastKey: string | undefined;
  let lastAt = 0;
  const clear = (): void => {
    if (shown) write(CLEAR);
    shown = false;
  };
  const line = (text: string): void => {
    clear();
    write(`${text}\n`);
  };
  return {
    line,
    progress(key, text) {
      const width = columns();
      const every = width === undefined ? LINE_EVERY_MS : REWRITE_EVERY_MS;
      if (key === lastKey && now() - lastAt < every) return;
      lastKey = key;
      lastAt = now();
      if (width === undefined) write(`${text}\n`);
      else {
        write(`${CLEAR}${text.slice(0, Math.max(1, width - 1))}`);
        shown = true;
      }
    },
    endProgress() {
      clear();
      lastKey = undefined;
    },
    debug(text) {
      if (debug) line(text);
    },
  };
}
