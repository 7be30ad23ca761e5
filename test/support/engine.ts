import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UsageEvent } from '../../contracts/usage-event.ts';
import { createLogger } from '../../foundation/logger.ts';
import { openOutbox } from '../../foundation/outbox.ts';
import type { ModelConfig } from '../../inference-server/config.ts';
import { createEngine, type EngineOptions } from '../../inference-server/engine/create-engine.ts';
import type { Engine } from '../../inference-server/engine/engine.ts';
import { type ModelProcess, startModelProcess } from '../../inference-server/engine/model-process.ts';
import { usageEventOf } from '../../inference-server/usage/event.ts';
import { until } from './program.ts';

export interface EngineWorld {
  engine: Engine;
  /** What was delivered, by id, and how often. */
  events: Map<string, { event: UsageEvent; times: number }>;
  /** Every process that was started, the last one last. */
  processes: { model: string; process: ModelProcess; startedAt: number; readyAt: number | undefined }[];
  /** Why processes ended: `MODEL CAUSE`. */
  causes: string[];
  stop: () => Promise<void>;
}

/** Writes a graph to a folder, and says how a model of it is configured. */
export async function modelFile(folder: string, name: string, graph: Buffer): Promise<ModelConfig['files']> {
  const sha256 = createHash('sha256').update(graph).digest('hex');
  const path = join(folder, `${name}-${sha256.slice(0, 8)}.onnx`);
  await writeFile(path, graph);
  return [{ name: 'model.onnx', path, sha256, size: graph.length }];
}

/** The engine with real processes and a real outbox, in this process. */
export async function startEngine(
  models: (folder: string) => Promise<ModelConfig[]>,
  wishes: Partial<EngineOptions> = {},
): Promise<EngineWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'imageplane-engine-'));
  const events: EngineWorld['events'] = new Map();
  const processes: EngineWorld['processes'] = [];
  const causes: string[] = [];
  const logger = createLogger('test', process.env['ENGINE_LOG'] ?? 'silent');
  const outbox = await openOutbox<UsageEvent>({
    directory: join(folder, 'outbox'),
    deliver: async (batch) => {
      for (const event of batch)
        events.set(event.id, { event, times: (events.get(event.id)?.times ?? 0) + 1 });
      return Promise.resolve();
    },
    maxBytes: 256 * 2 ** 20,
    maxBatch: 200,
    logger,
    random: Math.random,
  });
  const engine = createEngine({
    models: await models(folder),
    tenant: 'acme',
    executionProvider: 'cpu',
    queue: { depth: 16, deadlineMs: 120_000, maxBytes: 256 * 2 ** 20 },
    memoryBudget: 4 * 2 ** 30,
    idleUnloadMs: 0,
    recycle: { afterRuns: 0, growthBytes: 0 },
    cache: undefined,
    kept: { maxJobs: 1000, maxBytes: 64 * 2 ** 20, keepMs: 600_000 },
    start(model) {
      const started = startModelProcess({
        type: 'load',
        model,
        executionProvider: 'cpu',
        threads: 1,
        maxPixels: 50_000_000,
        marks: {},
      });
      const entry: EngineWorld['processes'][number] = {
        model: model.name,
        process: started,
        startedAt: performance.now(),
        readyAt: undefined,
      };
      processes.push(entry);
      void started.loaded.then(({ type }) => {
        if (type === 'ready') entry.readyAt = performance.now();
      });
      return started;
    },
    usage: {
      full: () => outbox.full(),
      record: async (taken, result, finishedAt) =>
        outbox.append(usageEventOf(taken, result, { tenant: 'acme', service: 'cutout', finishedAt })),
    },
    now: () => performance.now(),
    wallClock: () => new Date(),
    random: Math.random,
    logger,
    observe: {
      done: () => undefined,
      loaded: () => undefined,
      ended: (model, cause) => causes.push(`${model} ${cause}`),
    },
    ...wishes,
  });
  return {
    engine,
    events,
    processes,
    causes,
    async stop() {
      await engine.stop(0);
      await outbox.close(5_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export async function untilState({ engine }: EngineWorld, model: string, state: string): Promise<void> {
  await until(`${model} is ${state}`, () => engine.model(model).state === state);
}
