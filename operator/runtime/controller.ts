import type { Logger } from '../../foundation/logger.ts';
import { type Clock, systemClock } from './clock.ts';
import { isConflict, TerminalError } from './errors.ts';
import type { ReconcileResult, RuntimeMetrics } from './metrics.ts';
import { keyFrom, keyText } from './resources.ts';
import type { RetryLimits } from './retry-limiter.ts';
import type { ObjectKey, Reconcile } from './types.ts';
import type { Watch } from './watches.ts';
import { createWorkQueue, type Priority } from './work-queue.ts';

export interface Controller {
  readonly name: string;
  /** From anywhere, such as a timer or another controller. Before the start it has no effect: that takes in everything. */
  enqueue: (key: ObjectKey, priority?: Priority) => void;
  /** Resolves when the stores that it looks into were listed once. */
  whenSynced: (signal?: AbortSignal) => Promise<void>;
  /** Takes in everything that is in the stores, and works from then on. */
  start: () => void;
  /** Lets reconciles under way end within `graceMs`, then ends their signals. Resolves when none is left. */
  stop: (graceMs: number) => Promise<void>;
  /** What is wrong now, for people. */
  problem: () => string | undefined;
}

export interface ControllerOptions {
  name: string;
  watches: readonly Watch[];
  reconcile: Reconcile;
  /** Reconciles at once, of different keys. */
  workers?: number;
  deadlineMs?: number;
  retries?: Partial<RetryLimits>;
}

export interface ControllerContext {
  logger: Logger;
  clock?: Clock;
  metrics?: RuntimeMetrics;
}

const WORKERS = 4;
const DEADLINE_MS = 60_000;
/** A reconcile that heeds its signal has ended by then. */
const OVERDUE_MS = 60_000;

export function createController(options: ControllerOptions, context: ControllerContext): Controller {
  const { name, watches, workers = WORKERS, deadlineMs = DEADLINE_MS } = options;
  const { clock = systemClock } = context;
  const logger = context.logger.child({ controller: name });
  const metrics = context.metrics?.controller(name);
  const stopping = new AbortController();
  const queue = createWorkQueue({
    clock,
    metrics: context.metrics?.queue(name, () => queue.running()),
    limits: options.retries,
  });
  let started = false;
  let working: Promise<void>[] = [];

  const enqueue = (key: ObjectKey, priority: Priority = 'live'): void => {
    if (started) queue.add(keyText(key), priority);
  };
  for (const watch of watches)
    watch.onChange((key, initial) => {
      enqueue(key, initial ? 'background' : 'live');
    });

  async function work(): Promise<void> {
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      await reconcileOnce(key);
      queue.done(key);
    }
  }

  async function reconcileOnce(key: string): Promise<void> {
    const began = clock.now();
    metrics?.active(1);
    const deadline = new AbortController();
    const cancel = clock.after(deadlineMs, () => {
      deadline.abort(new Error(`the reconcile took longer than ${deadlineMs / 1000} s`));
    });
    stopping.signal.addEventListener('abort', cancel, { once: true });
    const signal = AbortSignal.any([deadline.signal, stopping.signal]);
    let result: ReconcileResult;
    try {
      result = succeeded(key, await options.reconcile(keyFrom(key), { signal }));
    } catch (error) {
      result = failed(key, error, deadline.signal.aborted);
    }
    cancel();
    stopping.signal.removeEventListener('abort', cancel);
    metrics?.active(-1);
    metrics?.reconciled(result, (clock.now() - began) / 1000);
  }

  function succeeded(key: string, answer: { requeueAfterMs?: number } | undefined): ReconcileResult {
    queue.forget(key);
    if (answer?.requeueAfterMs === undefined) return 'success';
    queue.addAfter(key, answer.requeueAfterMs, 'background');
    return 'requeue_after';
  }

  function failed(key: string, error: unknown, late: boolean): ReconcileResult {
    // The process ends: whoever works on the key next finds it as it is.
    if (stopping.signal.aborted) return 'requeue';
    if (isConflict(error)) {
      queue.addLimited(key);
      return 'requeue';
    }
    if (error instanceof TerminalError) {
      metrics?.failed('terminal');
      queue.forget(key);
      logger.error(
        { err: error, key },
        'the reconcile failed and is not tried again until something changes',
      );
      return 'error';
    }
    metrics?.failed(late ? 'timeout' : isFault(error) ? 'panic' : 'other');
    const tries = queue.failures(key) + 1;
    const waitMs = Math.round(queue.addLimited(key));
    logger.error({ err: error, key, tries, waitMs }, 'the reconcile failed and is tried again');
    return 'error';
  }

  return {
    name,
    enqueue,
    async whenSynced(signal) {
      await Promise.all(watches.map((watch) => watch.whenSynced(signal)));
    },
    start() {
      if (started) return;
      started = true;
      metrics?.workers(workers);
      for (const watch of watches) for (const key of watch.all()) enqueue(key, 'background');
      working = Array.from({ length: workers }, work);
    },
    async stop(graceMs) {
      const cancel = clock.after(graceMs, () => {
        stopping.abort(new Error('the operator stops'));
      });
      await queue.shutDown();
      await Promise.all(working);
      cancel();
      stopping.abort(new Error('the operator stops'));
    },
    problem() {
      const longest = Math.max(0, ...queue.running());
      if (longest * 1000 <= deadlineMs + OVERDUE_MS) return undefined;
      return `a reconcile of ${name} has been running for ${Math.round(longest)} s, past its deadline`;
    },
  };
}

/** A fault of the program, which Go would call a panic. */
function isFault(error: unknown): boolean {
  return (
    !(error instanceof Error) ||
    [TypeError, ReferenceError, RangeError].some((fault) => error instanceof fault)
  );
}
