import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTerminal, type Terminal } from './console.ts';

function terminal(
  columns: number | undefined,
  debug = false,
): { written: string[]; at: (ms: number) => void; it: Terminal } {
  const written: string[] = [];
  let clock = 0;
  return {
    written,
    at: (ms) => {
      clock = ms;
    },
    it: createTerminal({
      write: (text) => {
        written.push(text);
      },
      columns: () => columns,
      now: () => clock,
      debug,
    }),
  };
}

describe('what is printed', () => {
  it('rewrites one line on a terminal, cut to its width, and clears it for others', () => {
    const { written, at, it: shown } = terminal(10);
    shown.progress('a', '123456789012345');
    at(50);
    shown.progress('a', 'too soon');
    at(200);
    shown.progress('a', 'later');
    shown.line('done');
    assert.deepEqual(written, ['\r\u001b[K123456789', '\r\u001b[Klater', '\r\u001b[K', 'done\n']);
  });

  it('is a line every few seconds where nothing can be rewritten, and at once for something new', () => {
    const { written, at, it: shown } = terminal(undefined);
    shown.progress('a', 'one');
    at(2_900);
    shown.progress('a', 'too soon');
    at(3_000);
    shown.progress('a', 'two');
    shown.progress('b', 'other');
    shown.endProgress();
    assert.deepEqual(written, ['one\n', 'two\n', 'other\n']);
  });

  it('has debug lines only when asked for', () => {
    const quiet = terminal(undefined);
    quiet.it.debug('x');
    assert.deepEqual(quiet.written, []);
    const loud = terminal(undefined, true);
    loud.it.debug('x');
    assert.deepEqual(loud.written, ['x\n']);
  });
});
