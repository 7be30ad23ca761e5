import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { messageOf } from '../../foundation/errors.ts';
import type { Logger } from '../../foundation/logger.ts';
import { createBackoff } from './backoff.ts';
import { listPage, PAGE_SIZE, type Scope } from './client.ts';
import { type Clock, pause } from './clock.ts';
import { ApiError, apiErrorOf, isExpired } from './errors.ts';
import type { ReflectorMetrics } from './metrics.ts';
import { pathOf } from './resources.ts';
import { ResponseTooLargeError, type Transport } from './transport.ts';
import type { KubernetesObject, Resource } from './types.ts';
import { MalformedLineError, type WatchEvent, watchEvents } from './watch-lines.ts';

/** Takes what a reflector learns. None of these throws. */
export interface Sink {
  /** A list begins; what an earlier, broken off one told counts no longer. */
  listBegins: () => void;
  listed: (objects: KubernetesObject[]) => void;
  /** Every object was listed: others are gone. `watched` is how far the watch before had come. */
  listEnds: (watched: string | undefined) => void;
  changed: (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: KubernetesObject) => void;
  /** Trouble since when and why; undefined when it works again. */
  trouble: (problem: string | undefined) => void;
}

export interface ReflectorOptions {
  transport: Transport;
  resource: Resource;
  scope: Scope;
  sink: Sink;
  signal: AbortSignal;
  clock: Clock;
  random: () => number;
  logger: Logger;
  metrics?: ReflectorMetrics | undefined;
  limits?: Partial<ReflectorLimits> | undefined;
}

export interface ReflectorLimits {
  /** A watch is asked for this long, or up to twice as long. */
  watchSeconds: number;
  /**
   * A watch without one byte for so long is cut: servers send a bookmark about once a minute. Where one does not, this
   * costs a connection and nothing else.
   */
  silenceMs: number;
  /** Beyond the time that the server was asked to end a watch at. */
  overtimeMs: number;
  /** Between lists that look for events which a watch has lost. */
  verifyMs: number;
  backoffMs: number;
  longestBackoffMs: number;
  /** Failures of the watch in a row after which the list is made again. */
  watchFailures: number;
}

const LIMITS: ReflectorLimits = {
  watchSeconds: 300,
  silenceMs: 150_000,
  overtimeMs: 15_000,
  verifyMs: 20 * 60_000,
  backoffMs: 200,
  longestBackoffMs: 10_000,
  watchFailures: 5,
};
/** A watch that lives longer has not failed at once. */
const SOUND_WATCH_MS = 1000;

type WatchEnd = { how: 'ended' | 'expired' | 'verify' } | { how: 'failed'; error: unknown };
type Cause = 'start' | 'expired' | 'failed' | 'verify';

/**
 * Lists and watches one scope of a kind until the signal ends, and tells the sink. It never gives up and never throws:
 * every failure leads to another try, with backoff and with what Retry-After asks for.
 */
export async function runReflector(options: ReflectorOptions): Promise<void> {
  const { resource, scope, sink, signal, clock, random, metrics } = options;
  const logger = options.logger.child({ kind: resource.kind, ...scope });
  const limits = { ...LIMITS, ...options.limits };
  const backoff = createBackoff(limits.backoffMs, limits.longestBackoffMs, random);
  /** Where the watch goes on from; undefined when a list is needed. */
  let version: string | undefined;
  let watched: string | undefined;
  let cause: Cause = 'start';
  let verifyAt = Infinity;
  let failures = 0;
  let pageSize = PAGE_SIZE;

  async function list(): Promise<string> {
    metrics?.listed(resource.kind, cause);
    sink.listBegins();
    let next: string | undefined;
    let from = '';
    do {
      const page = await listPage(options.transport, resource, scope, {
        limit: pageSize,
        continue: next,
        signal,
      });
      signal.throwIfAborted();
      sink.listed(page.items);
      from = page.resourceVersion;
      next = page.continue;
      await yieldToOthers();
    } while (next !== undefined);
    signal.throwIfAborted();
    sink.listEnds(watched);
    return from;
  }

  function take({ type, object }: WatchEvent): WatchEnd | undefined {
    if (type === 'ERROR') {
      const { code } = object as { code?: unknown };
      const error = apiErrorOf(typeof code === 'number' ? code : 500, object, `watch of ${resource.plural}`);
      return isExpired(error) ? { how: 'expired' } : { how: 'failed', error };
    }
    version = watched = object.metadata.resourceVersion;
    failures = 0;
    if (type !== 'BOOKMARK') sink.changed(type, object);
    return undefined;
  }

  async function watch(from: string): Promise<WatchEnd> {
    const seconds = Math.round(limits.watchSeconds * (1 + random()));
    const cut = new AbortController();
    const because = (reason: string) => (): void => {
      cut.abort(new Error(reason));
    };
    const cancels = [
      clock.after(seconds * 1000 + limits.overtimeMs, because('it went on past its time')),
      clock.after(Math.max(0, verifyAt - clock.now()), because('verify')),
    ];
    let hush = clock.after(limits.silenceMs, because('it was silent for too long'));
    try {
      const chunks = await options.transport.stream(pathOf(resource, scopePath(scope)), {
        query: {
          watch: 'true',
          allowWatchBookmarks: 'true',
          resourceVersion: from,
          timeoutSeconds: String(seconds),
          labelSelector: scope.labelSelector,
          fieldSelector: scope.fieldSelector,
        },
        signal: AbortSignal.any([signal, cut.signal]),
      });
      sink.trouble(undefined);
      const heard = (): void => {
        hush();
        hush = clock.after(limits.silenceMs, because('it was silent for too long'));
      };
      for await (const event of watchEvents(chunks, heard)) {
        if (signal.aborted) break;
        const end = take(event);
        if (end !== undefined) return end;
      }
      return { how: 'ended' };
    } catch (error) {
      if (isExpired(error)) return { how: 'expired' };
      if (cut.signal.aborted && messageIs(cut.signal.reason, 'verify')) return { how: 'verify' };
      if (error instanceof MalformedLineError) metrics?.malformed(resource.kind);
      return { how: 'failed', error };
    } finally {
      for (const cancel of [...cancels, hush]) cancel();
      // Also ends the connection of an answer that was not read to its end.
      cut.abort();
    }
  }

  async function rest(problem: unknown, what: 'list' | 'watch'): Promise<void> {
    const asked = problem instanceof ApiError ? (problem.retryAfterMs ?? 0) : 0;
    const wait = Math.max(asked, backoff.next());
    if (problem !== undefined) {
      logger.warn({ err: problem, waitMs: Math.round(wait) }, `the ${what} failed and is tried again`);
      sink.trouble(`${what}: ${messageOf(problem)}`);
    }
    await pause(clock, wait, signal);
  }

  async function tryList(): Promise<void> {
    try {
      version = watched = await list();
      verifyAt = clock.now() + limits.verifyMs * (1 + random() / 2);
      failures = 0;
      sink.trouble(undefined);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ResponseTooLargeError) pageSize = Math.max(1, Math.floor(pageSize / 2));
      // The continue token was too old: the list begins anew at once, unless that happens again and again.
      if (isExpired(error) && failures++ === 0) cause = 'expired';
      else await rest(error, 'list');
    }
  }

  async function tryWatch(from: string): Promise<void> {
    const began = clock.now();
    const end = await watch(from);
    if (signal.aborted) return;
    metrics?.watchEnded(resource.kind, end.how);
    const sound = clock.now() - began > SOUND_WATCH_MS || version !== from;
    if (sound) backoff.reset();
    if (end.how === 'expired' || end.how === 'verify') {
      version = undefined;
      cause = end.how;
      // A server that answers 410 right after a list would be listed in a hot loop.
      if (end.how === 'expired' && !sound) await rest(undefined, 'watch');
    } else if (end.how === 'failed') {
      failures += 1;
      if (failures > limits.watchFailures) {
        version = undefined;
        cause = 'failed';
      }
      await rest(end.error, 'watch');
    } else if (!sound) await rest(undefined, 'watch');
  }

  while (!isAborted(signal)) {
    if (version === undefined) await tryList();
    else await tryWatch(version);
  }
}

/** A function, so that the compiler does not take a signal for unchanging. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

function messageIs(reason: unknown, message: string): boolean {
  return reason instanceof Error && reason.message === message;
}

function scopePath({ namespace }: Scope): { namespace?: string } {
  return namespace === undefined ? {} : { namespace };
}
