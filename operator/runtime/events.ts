import { createHash } from 'node:crypto';
import type { Logger } from '../../foundation/logger.ts';
import type { Clock } from './clock.ts';
import { microTime } from './leader-election.ts';
import { apiVersionOf, resources } from './resources.ts';
import type { Client, KubernetesObject } from './types.ts';

export interface Occurrence {
  type: 'Normal' | 'Warning';
  /** Why, in one word: `ModelMissing`. */
  reason: string;
  /** What was done or tried: `Reconcile`. */
  action: string;
  /** For people; cut at 1 kB. */
  note: string;
  related?: KubernetesObject;
}

/** Events that `kubectl describe` shows. They are help, not truth: under pressure they are dropped, never waited for. */
export interface EventRecorder {
  record: (about: KubernetesObject, occurrence: Occurrence) => void;
  /** Sends what is there. Resolves within `limitMs`, never throws. */
  close: (limitMs: number) => Promise<void>;
}

export interface EventRecorderOptions {
  client: Client;
  /** `imageplane.dev/operator` */
  reportingController: string;
  reportingInstance: string;
  clock: Clock;
  logger: Logger;
  count?: (outcome: 'sent' | 'dropped' | 'failed') => void;
}

/** The same occurrence again within this time belongs to its series. client-go's. */
const SERIES_MS = 6 * 60_000;
/** A series is written at most so often. */
const REFRESH_MS = 30_000;
/** Different series of one object: this many at once, then one more every five minutes. client-go's. */
const SPAM_BURST = 25;
const SPAM_REFILL_MS = 5 * 60_000;
const MOST_SERIES = 2048;
const MOST_OBJECTS = 4096;
const MOST_PENDING = 512;
const NOTE_LIMIT = 1024;

interface Series {
  event: EventObject;
  count: number;
  lastAt: number;
  writtenAt: number;
  writtenCount: number;
}

interface EventObject extends KubernetesObject {
  [field: string]: unknown;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { client, clock, count = () => undefined } = options;
  const series = new Map<string, Series>();
  const spam = new Map<string, { tokens: number; at: number }>();
  const pending = new Set<Series>();
  const stopping = new AbortController();
  let sending: Promise<void> | undefined;
  let cancelRefresh: (() => void) | undefined;

  function allowed(uid: string): boolean {
    const now = clock.now();
    const before = spam.get(uid) ?? { tokens: SPAM_BURST, at: now };
    const tokens = Math.min(SPAM_BURST, before.tokens + (now - before.at) / SPAM_REFILL_MS);
    spam.delete(uid);
    spam.set(uid, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    trim(spam, MOST_OBJECTS);
    return tokens >= 1;
  }

  function put(one: Series): void {
    if (pending.size >= MOST_PENDING) {
      count('dropped');
      return;
    }
    pending.add(one);
    sending ??= send().finally(() => (sending = undefined));
  }

  async function send(): Promise<void> {
    for (const one of pending) {
      pending.delete(one);
      one.writtenAt = clock.now();
      one.writtenCount = one.count;
      try {
        await client.apply(resources.Event, eventOf(one, clock), {
          fieldManager: options.reportingController.replace('/', '-'),
          signal: stopping.signal,
        });
        count('sent');
      } catch (error) {
        count('failed');
        options.logger.warn({ err: error, reason: one.event['reason'] }, 'an event could not be written');
      }
    }
  }

  /** Writes the counts of series that have grown since they were written. */
  function refresh(): void {
    cancelRefresh = undefined;
    const now = clock.now();
    for (const [key, one] of series) {
      const grown = one.count > one.writtenCount;
      if (grown && now - one.writtenAt >= REFRESH_MS) put(one);
      if (!grown && now - one.lastAt > SERIES_MS) series.delete(key);
    }
    arm();
  }

  function arm(): void {
    if (stopping.signal.aborted || series.size === 0) return;
    cancelRefresh ??= clock.after(REFRESH_MS, refresh);
  }

  function record(about: KubernetesObject, occurrence: Occurrence): void {
    const now = clock.now();
    const key = keyOf(about, occurrence);
    const known = series.get(key);
    if (known !== undefined && now - known.lastAt <= SERIES_MS) {
      known.count += 1;
      known.lastAt = now;
      return;
    }
    if (!allowed(about.metadata.uid ?? '')) {
      count('dropped');
      return;
    }
    const date = clock.date();
    const one: Series = {
      event: describe(about, occurrence, date, hash(`${key} ${date.getTime()}`), options),
      ...{ count: 1, lastAt: now, writtenAt: now, writtenCount: 0 },
    };
    series.delete(key);
    series.set(key, one);
    trim(series, MOST_SERIES);
    put(one);
    arm();
  }

  return {
    record(about, occurrence) {
      if (stopping.signal.aborted) return;
      try {
        record(about, occurrence);
      } catch (error) {
        count('failed');
        options.logger.warn({ err: error }, 'an event could not be recorded');
      }
    },
    async close(limitMs) {
      cancelRefresh?.();
      cancelRefresh = undefined;
      for (const one of series.values()) if (one.count > one.writtenCount) put(one);
      const cancel = clock.after(limitMs, () => {
        pending.clear();
        stopping.abort(new Error('the operator ends'));
      });
      await sending;
      cancel();
      stopping.abort(new Error('the operator ends'));
    },
  };
}

function keyOf(
  { kind, metadata }: KubernetesObject,
  { type, reason, action, note, related }: Occurrence,
): string {
  return JSON.stringify([kind, metadata.uid, type, reason, action, note, related?.metadata.uid]);
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function describe(
  about: KubernetesObject,
  { type, reason, action, note, related }: Occurrence,
  date: Date,
  suffix: string,
  { reportingController, reportingInstance }: EventRecorderOptions,
): EventObject {
  return {
    apiVersion: apiVersionOf(resources.Event),
    kind: 'Event',
    metadata: {
      // 253 is the most that a name may have.
      name: `${about.metadata.name.slice(0, 230)}.${suffix}`,
      // Events of cluster-scoped objects go where kubectl looks for them.
      namespace: about.metadata.namespace ?? 'default',
    },
    type,
    reason,
    action,
    note: note.length > NOTE_LIMIT ? `${note.slice(0, NOTE_LIMIT - 1)}…` : note,
    eventTime: microTime(date),
    reportingController,
    reportingInstance: reportingInstance.slice(0, 128),
    regarding: referenceTo(about),
    ...(related === undefined ? {} : { related: referenceTo(related) }),
  };
}

function eventOf({ event, count, lastAt }: Series, clock: Clock): EventObject {
  if (count === 1) return event;
  const at = new Date(clock.date().getTime() - (clock.now() - lastAt));
  return { ...event, series: { count, lastObservedTime: microTime(at) } };
}

function referenceTo({ apiVersion, kind, metadata }: KubernetesObject): Record<string, string> {
  const { namespace, name, uid, resourceVersion } = metadata;
  return {
    ...{ apiVersion, kind, name },
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** Drops the oldest beyond so many. */
function trim(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
