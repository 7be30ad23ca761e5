import type { UsageEvent } from '../../contracts/usage-event.ts';
import type { JobResult } from '../engine/model-engine.ts';

export interface Job {
  id: string;
  tenant: string;
  service: string;
  principal: string;
  model: UsageEvent['model'];
  route: string;
  pixels: number;
  bytesIn: number;
  executionProvider: string;
  startedAt: Date;
}

/** What a finished job consumed. A picture counts when it was made; the time of a failed run counts all the same. */
export function usageEventOf(job: Job, result: JobResult, finishedAt: Date): UsageEvent {
  const { pixels, startedAt, ...common } = job;
  return {
    ...common,
    outcome: result.ok ? 'succeeded' : result.outcome,
    ...(result.ok ? {} : { code: result.error.code }),
    units: { images: result.ok ? 1 : 0, pixels, computeMs: Math.round(result.timings.inferenceMs) },
    queueMs: Math.round(result.queueMs),
    bytesOut: result.ok ? result.bytes.length : 0,
    startedAt: startedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
  };
}
