import type { UsageEvent } from '../contracts/usage-event.ts';
import type { Logger } from '../foundation/logger.ts';
import type { Outbox } from '../foundation/outbox.ts';
import type { InferenceServerConfig } from './config.ts';
import type { EngineObserver, EngineOptions } from './engine/create-engine.ts';
import type { Timings } from './engine/engine.ts';
import { startModelProcess } from './engine/model-process.ts';
import type { Metrics } from './metrics.ts';
import { memoryBudget, threadsPerModel } from './resources.ts';
import { spanOf } from './tracing.ts';
import { usageEventOf } from './usage/event.ts';

const MIB = 2 ** 20;

interface Surroundings {
  outbox: Pick<Outbox<UsageEvent>, 'append' | 'full'>;
  logger: Logger;
  /** They look at the engine, and so are made after it. */
  metrics: () => Metrics;
}

/** The engine as the configuration wants it, with real processes, clocks and records. */
export function engineOptions(
  config: InferenceServerConfig,
  { outbox, logger, metrics }: Surroundings,
): EngineOptions {
  const { executionProvider, queue, memory, recycle, cache, jobs, limits, tenant, service } = config;
  const threads = threadsPerModel(config);
  return {
    models: config.models,
    tenant,
    executionProvider,
    queue: {
      depth: queue.depth,
      deadlineMs: queue.deadlineSeconds * 1000,
      maxBytes: memory.waitingMiB * MIB,
    },
    memoryBudget: memoryBudget(config),
    idleUnloadMs: config.idleUnloadSeconds * 1000,
    recycle: { afterRuns: recycle.afterRuns, growthBytes: recycle.growthMiB * MIB },
    cache: cache === undefined ? undefined : { maxBytes: cache.maxMiB * MIB, ttlMs: cache.ttlSeconds * 1000 },
    kept: { maxJobs: jobs.maxKept, maxBytes: jobs.maxMiB * MIB, keepMs: jobs.keepSeconds * 1000 },
    start: (model) =>
      startModelProcess({
        type: 'load',
        model,
        executionProvider,
        threads,
        maxPixels: limits.maxPixels,
        marks: config.marks,
      }),
    usage: {
      full: () => outbox.full(),
      record: async (taken, result, finishedAt) =>
        outbox.append(usageEventOf(taken, result, { tenant, service, finishedAt })),
    },
    now: () => performance.now(),
    wallClock: () => new Date(),
    random: Math.random,
    logger,
    observe: observerOf(config, metrics, logger),
  };
}

/** What of a process that ended is a replacement; the rest was unloaded. */
const UNLOADED = { idle: 'idle', evicted: 'memory', requested: 'requested' } as const;

function observerOf(
  { executionProvider, cache }: InferenceServerConfig,
  metrics: () => Metrics,
  logger: Logger,
): EngineObserver {
  return {
    done(taken, result) {
      const { model, timings } = result;
      const labels = { model: model.name };
      const measured = metrics();
      if (cache !== undefined)
        measured.cache.inc({ ...labels, outcome: result.from === 'run' ? 'miss' : result.from });
      measured.queueSeconds.observe(labels, timings.queueMs / 1000);
      if (result.from === 'run') {
        measured.preprocessSeconds.observe(labels, timings.preprocessMs / 1000);
        measured.computeSeconds.observe(labels, timings.inferenceMs / 1000);
        measured.postprocessSeconds.observe(labels, timings.postprocessMs / 1000);
      }
      if (result.ok && taken.job.work.kind === 'background-removal')
        measured.pixels.inc(labels, taken.job.work.pixels);
      logger.info(
        {
          requestId: taken.job.id,
          model: model.name,
          route: taken.job.route,
          outcome: result.ok ? 'succeeded' : result.outcome,
          ...(result.ok ? {} : { code: result.error.code }),
          from: result.from,
          ...roundedTimings(timings),
          ...spanOf(taken.job.traceparent),
        },
        'job',
      );
    },
    loaded(model, ms) {
      const labels = { model, execution_provider: executionProvider };
      const measured = metrics();
      measured.modelLoaded.set(labels, ms === undefined ? 0 : 1);
      if (ms === undefined) return;
      measured.modelLoads.inc(labels);
      measured.modelLoadSeconds.set({ model }, ms / 1000);
    },
    ended(model, cause) {
      if (cause === 'idle' || cause === 'evicted' || cause === 'requested')
        metrics().modelEvictions.inc({ model, cause: UNLOADED[cause] });
      else metrics().childRestarts.inc({ model, cause });
    },
  };
}

function roundedTimings({ queueMs, preprocessMs, inferenceMs, postprocessMs }: Timings): Timings {
  const round = Math.round;
  return {
    queueMs: round(queueMs),
    preprocessMs: round(preprocessMs),
    inferenceMs: round(inferenceMs),
    postprocessMs: round(postprocessMs),
  };
}
