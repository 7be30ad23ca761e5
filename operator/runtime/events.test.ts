import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger } from '../../foundation/logger.ts';
import { createManualClock, type ManualClock } from '../../test/support/manual-clock.ts';
import { memoryClient, type MemoryClient } from '../../test/support/memory-client.ts';
import { createEventRecorder, type EventRecorder, type Occurrence } from './events.ts';
import type { KubernetesObject } from './types.ts';

function about(name: string): KubernetesObject {
  return { apiVersion: 'v1', kind: 'Thing', metadata: { name, namespace: 'n', uid: `uid-of-${name}` } };
}

const ready: Occurrence = { type: 'Normal', reason: 'Ready', action: 'Reconcile', note: 'it is ready' };

interface Bench extends MemoryClient {
  clock: ManualClock;
  events: EventRecorder;
  counts: Record<string, number>;
  stored: () => { note?: string; series?: { count: number; lastObservedTime: string } }[];
}

function bench(): Bench {
  const clock = createManualClock();
  const memory = memoryClient();
  const counts: Record<string, number> = {};
  const events = createEventRecorder({
    ...{ client: memory.client, clock, logger: createLogger('test', 'silent') },
    ...{ reportingController: 'imageplane.dev/test', reportingInstance: 'pod-1' },
    count: (outcome) => (counts[outcome] = (counts[outcome] ?? 0) + 1),
  });
  return { ...memory, clock, events, counts, stored: () => [...memory.state.objects.values()] as never };
}

describe('events', () => {
  it('of one thing that happens again are one object with a count, written at most twice a minute', async () => {
    const { events, clock, stored, writes } = bench();
    for (let second = 0; second < 60; second += 1) {
      events.record(about('a'), ready);
      await clock.advance(1000);
    }
    assert.equal(stored().length, 1);
    assert.deepEqual(stored()[0]?.series, { count: 60, lastObservedTime: '2026-01-01T00:00:59.000000Z' });
    assert.equal(writes.length, 3);
  });

  it('of different objects, reasons and notes are different objects', async () => {
    const { events, clock, stored } = bench();
    events.record(about('a'), ready);
    events.record(about('b'), ready);
    events.record(about('a'), { ...ready, reason: 'Waiting' });
    events.record(about('a'), { ...ready, note: 'for another reason' });
    await clock.advance(0);
    assert.equal(stored().length, 4);
  });

  it('begin a new series after six quiet minutes, and forget the old one', async () => {
    const { events, clock, stored } = bench();
    events.record(about('a'), ready);
    await clock.advance(6 * 60_000 + 1);
    events.record(about('a'), ready);
    await clock.advance(0);
    assert.equal(stored().length, 2);
    await clock.advance(7 * 60_000);
    assert.equal(clock.pending, 0);
  });

  it('of one object are at most 25 at once, then one more every five minutes; others are not concerned', async () => {
    const { events, clock, stored, counts } = bench();
    for (let index = 0; index < 100; index += 1)
      events.record(about('a'), { ...ready, note: `note ${index}` });
    events.record(about('b'), ready);
    await clock.advance(0);
    assert.equal(stored().length, 26);
    assert.equal(counts['dropped'], 75);
    await clock.advance(5 * 60_000);
    for (const note of ['x', 'y']) events.record(about('a'), { ...ready, note });
    await clock.advance(0);
    assert.equal(stored().length, 27);
  });

  it('never throw, never wait, and take no more memory while the API server is away', async () => {
    const { events, clock, faults, counts } = bench();
    faults.refuse = true;
    for (let index = 0; index < 5000; index += 1) events.record(about(`object-${index}`), ready);
    await clock.advance(0);
    assert.ok((counts['dropped'] ?? 0) >= 5000 - 513);
    assert.equal((counts['failed'] ?? 0) + (counts['dropped'] ?? 0), 5000);
    events.record({} as KubernetesObject, ready);
    await events.close(0);
  });

  it('are cut to what a server takes', async () => {
    const { events, clock, stored } = bench();
    events.record(about('a'.repeat(253)), { ...ready, note: 'n'.repeat(5000) });
    await clock.advance(0);
    assert.equal(stored()[0]?.note?.length, 1024);
    const [object] = stored() as unknown as KubernetesObject[];
    assert.ok((object?.metadata.name.length ?? 0) <= 253);
  });

  it('are sent, with their counts, when the recorder is closed; later ones are not taken', async () => {
    const { events, clock, stored } = bench();
    for (let index = 0; index < 3; index += 1) events.record(about('a'), ready);
    await events.close(1000);
    assert.equal(stored()[0]?.series?.count, 3);
    events.record(about('b'), ready);
    await clock.advance(0);
    assert.equal(stored().length, 1);
    assert.equal(clock.pending, 0);
  });
});
