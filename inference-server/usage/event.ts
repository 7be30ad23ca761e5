import type { UsageEvent } from '../../contracts/usage-event.ts';
import type { Job, JobResult } from '../engine/engine.ts';
import { bytesOfOutput, bytesOfWork } from '../engine/fingerprint.ts';

/** A job as it was taken. */
export interface Taken {
  job: Job;
  model: UsageEvent['model'];
  createdAt: Date;
}

/**
 * What a finished job consumed. A picture counts when it was made, also when an equal job made it; the time of the
 * model counts once, for the job that ran, and counts for a run that failed all the same.
 */
export function usageEventOf(
  { job, model, createdAt }: Taken,
  result: JobResult,
  service: { tenant: string; service: string; finishedAt: Date },
): UsageEvent {
  const picture = job.work.kind === 'background-removal';
  return {
    id: job.id,
    tenant: service.tenant,
    service: service.service,
    principal: job.principal,
    model,
    route: job.route,
    outcome: result.ok ? 'succeeded' : result.outcome,
    ...(result.ok ? {} : { code: result.error.code }),
    units: {
      images: picture && result.ok ? 1 : 0,
      pixels: job.work.kind === 'background-removal' ? job.work.pixels : 0,
      computeMs: Math.round(result.timings.inferenceMs),
    },
    queueMs: Math.round(result.timings.queueMs),
    bytesIn: bytesOfWork(job.work),
    bytesOut: result.ok ? bytesOfOutput(result.output) : 0,
    executionProvider: result.executionProvider,
    startedAt: createdAt.toISOString(),
    finishedAt: service.finishedAt.toISOString(),
  };
}
