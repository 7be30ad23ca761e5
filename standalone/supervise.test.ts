import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { backoffMs, type Running, supervise } from './supervise.ts';

/** A program under the test's control. */
function program() {
  let end: (how: string) => void = () => undefined;
  const running: Running = {
    exited: new Promise((resolve) => {
      end = resolve;
    }),
    stop: () => {
      end('stopped');
      return Promise.resolve();
    },
    kill: () => {
      end('killed');
    },
  };
  return {
    running,
    crash: () => {
      end('code 1');
    },
  };
}

function harness(starts: (() => Running)[]) {
  const slept: number[] = [];
  const reports: string[] = [];
  let clock = 0;
  let index = 0;
  const reported: ((text: string) => void)[] = [];
  return {
    slept,
    reports,
    pass: (ms: number) => {
      clock += ms;
    },
    nextReport: (): Promise<string> => new Promise((resolve) => reported.push(resolve)),
    options: {
      name: 'gateway',
      start: (): Promise<Running> => {
        const next = starts[index++];
        if (next === undefined) return Promise.reject(new Error('no more'));
        return Promise.resolve().then(next);
      },
      report: (text: string): void => {
        reports.push(text);
        reported.shift()?.(text);
      },
      sleep: (ms: number, signal: AbortSignal): Promise<void> => {
        slept.push(ms);
        return index < starts.length
          ? Promise.resolve()
          : new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => {
                reject(new Error('aborted'));
              });
            });
      },
      now: (): number => clock,
    },
  };
}

describe('a supervised program', () => {
  it('must come up the first time', async () => {
    const { options } = harness([]);
    await assert.rejects(supervise(options), /no more/);
  });

  it('is started again after a crash, later each time it crashes soon, and says so', async () => {
    const programs = [program(), program(), program()];
    const { options, slept, nextReport } = harness(
      programs.map(
        ({ running }) =>
          () =>
            running,
      ),
    );
    const supervised = await supervise(options);
    for (const { crash } of programs.slice(0, 2)) {
      const ended = nextReport();
      const back = ended.then(nextReport);
      crash();
      assert.match(await ended, /gateway ended \(code 1\); it is started again in/);
      assert.equal(await back, 'gateway is back.');
    }
    assert.deepEqual(slept, [500, 1_000]);
    await supervised.stop();
  });

  it('counts from the beginning after it ran well for a minute', async () => {
    const programs = [program(), program(), program()];
    const { options, slept, pass, nextReport } = harness(
      programs.map(
        ({ running }) =>
          () =>
            running,
      ),
    );
    const supervised = await supervise(options);
    for (const { crash } of programs.slice(0, 2)) {
      const back = nextReport().then(nextReport);
      pass(60_000);
      crash();
      await back;
    }
    assert.deepEqual(slept, [500, 500]);
    await supervised.stop();
  });

  it('is tried again when starting it again fails', async () => {
    const programs = [program(), program()];
    const fail = (): Running => {
      throw new Error('the port is taken');
    };
    const { options, reports, nextReport } = harness([
      () => (programs[0] ?? program()).running,
      fail,
      () => (programs[1] ?? program()).running,
    ]);
    const supervised = await supervise(options);
    const back = nextReport().then(nextReport).then(nextReport);
    programs[0]?.crash();
    await back;
    assert.ok(
      reports.some((text) => text.includes('did not start: the port is taken')),
      reports.join('\n'),
    );
    await supervised.stop();
  });

  it('is not started again once it was stopped, not even while waiting to', async () => {
    const { running, crash } = program();
    const { options, nextReport, reports } = harness([() => running]);
    const supervised = await supervise(options);
    const ended = nextReport();
    crash();
    await ended;
    await supervised.stop();
    assert.equal(reports.length, 1);
  });

  it('waits 30 s at most', () => {
    assert.deepEqual([1, 2, 3, 7, 100, 5_000].map(backoffMs), [500, 1_000, 2_000, 30_000, 30_000, 30_000]);
  });
});
