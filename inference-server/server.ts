import { createServer } from 'node:http';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as newUuid } from 'uuid';
import type { UsageEvent } from '../contracts/usage-event.ts';
import { closeServer, listen } from '../foundation/http.ts';
import type { Logger } from '../foundation/logger.ts';
import { openOutbox, type Outbox } from '../foundation/outbox.ts';
import { apiApp } from './api/app.ts';
import { anyone, byAssertion, type Identify } from './api/caller.ts';
import type { Execution, ServedModel } from './api/execute.ts';
import { type GatewayKeys, openGatewayKeys } from './api/keys.ts';
import { createReplayCache } from './api/replay-cache.ts';
import { boundUploads } from './api/uploads.ts';
import type { InferenceServerConfig, ModelConfig } from './config.ts';
import { createModelEngine, type ModelEngine } from './engine/model-engine.ts';
import { startModelProcess } from './engine/model-process.ts';
import type { Problem } from './engine/problem.ts';
import { healthApp } from './health.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { createDelivery } from './usage/delivery.ts';

const REMEMBERED_ASSERTIONS = 200_000;
const UPLOADS_AT_ONCE = 32;
/** A body that trickles in is cut off after this. */
const REQUEST_TIMEOUT_MS = 120_000;
const DRAIN_MS = 10_000;
/** What is not done by then is told to come again, and has this long to hear it. */
const ANSWER_MS = 500;
const DELIVER_BEFORE_EXIT_MS = 2_000;

/** Starts everything; gives back how to stop it. The server listens at once, and is ready when its models are. */
export async function startInferenceServer(
  config: InferenceServerConfig,
  logger: Logger,
): Promise<() => Promise<void>> {
  const now = (): number => Date.now();
  const keys = await gatewayKeys(config, logger, now);
  const outbox = await openOutbox<UsageEvent>({
    directory: config.usage.outbox,
    deliver: createDelivery({ ...config.usage, directory: config.usage.outbox, fetch, logger }),
    maxBytes: config.usage.maxBytes,
    maxBatch: 200,
    logger,
    random: Math.random,
  });
  const models = new Map<string, ServedModel>();
  const engines = (): ModelEngine[] => [...models.values()].map(({ engine }) => engine);
  const metrics = createMetrics({
    pending: () => engines().map((engine) => [engine.name, engine.pending()]),
    outboxPending: () => outbox.pending(),
  });
  for (const model of config.models)
    models.set(model.name, {
      engine: engineOf(model, config, metrics, logger),
      sha256: model.files[0]?.sha256 ?? '',
    });

  const underWay = new Set<Promise<void>>();
  let stopping = false;
  const health = {
    problems: () => problemsOf({ stopping, engines: engines(), outbox }),
    notices: () => noticesOf(outbox, keys),
  };
  const execution: Execution = {
    models,
    outbox,
    tenant: config.tenant,
    service: config.service,
    executionProvider: config.executionProvider,
    maxPixels: config.limits.maxPixels,
    now: () => new Date(now()),
    observe: (model, { queueMs, timings }) => {
      metrics.queueSeconds.observe({ model }, queueMs / 1000);
      metrics.preprocessSeconds.observe({ model }, timings.preprocessMs / 1000);
      metrics.computeSeconds.observe({ model }, timings.inferenceMs / 1000);
      metrics.postprocessSeconds.observe({ model }, timings.postprocessMs / 1000);
    },
  };
  const api = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: 10_000, maxHeaderSize: 16_384 },
    apiApp({
      execution,
      identify: identifyBy(config, keys, now),
      uploads: boundUploads(UPLOADS_AT_ONCE),
      maxBodyBytes: config.limits.maxBodyBytes,
      metrics,
      logger,
      underWay,
    }),
  );
  const probes = createServer(healthApp(health, metrics.registry));
  logger.info({ address: await listen(probes, config.metrics) }, 'probes and metrics');
  logger.info({ address: await listen(api, config.listen) }, 'listening');

  return async () => {
    stopping = true;
    const closing = closeServer(api, DRAIN_MS + ANSWER_MS);
    await Promise.race([closing, sleep(DRAIN_MS, undefined, { ref: false })]);
    await Promise.all(engines().map((engine) => engine.stop()));
    await Promise.allSettled(underWay);
    await closing;
    await outbox.close(DELIVER_BEFORE_EXIT_MS);
    await closeServer(probes, 0);
  };
}

async function gatewayKeys(
  { assertion }: InferenceServerConfig,
  logger: Logger,
  now: () => number,
): Promise<GatewayKeys | undefined> {
  if (assertion.mode === 'required') return openGatewayKeys(assertion.jwks, logger, now);
  logger.warn('assertions are not checked: whoever reaches this port may use it');
  return undefined;
}

function identifyBy(
  config: InferenceServerConfig,
  keys: GatewayKeys | undefined,
  now: () => number,
): Identify {
  if (keys === undefined) return anyone(newUuid);
  return byAssertion(
    `${config.tenant}/${config.service}`,
    keys,
    createReplayCache(REMEMBERED_ASSERTIONS),
    now,
  );
}

function engineOf(
  model: ModelConfig,
  config: InferenceServerConfig,
  metrics: Metrics,
  logger: Logger,
): ModelEngine {
  const { name } = model;
  const { executionProvider, queue, limits } = config;
  const threads = config.threads === 0 ? availableParallelism() : config.threads;
  const labels = { model: name, execution_provider: executionProvider };
  metrics.modelLoaded.set(labels, 0);
  return createModelEngine({
    name,
    depth: queue.depth,
    deadlineMs: queue.deadlineSeconds * 1000,
    start: () =>
      startModelProcess({
        type: 'load',
        model,
        executionProvider,
        threads: Math.max(1, Math.floor(threads / config.models.length)),
        maxPixels: limits.maxPixels,
        marks: config.marks,
      }),
    now: () => performance.now(),
    random: Math.random,
    logger,
    observe: {
      loaded: (ms) => {
        metrics.modelLoaded.set(labels, ms === undefined ? 0 : 1);
        if (ms !== undefined) metrics.modelLoadSeconds.set({ model: name }, ms / 1000);
      },
      restarted: (cause) => {
        metrics.childRestarts.inc({ model: name, cause });
      },
    },
  });
}

function problemsOf(state: {
  stopping: boolean;
  engines: ModelEngine[];
  outbox: Outbox<UsageEvent>;
}): Problem[] {
  const problems = state.engines.map((engine) => engine.problem()).filter((problem) => problem !== undefined);
  if (state.stopping) problems.push({ code: 'server_stopping', message: 'The server is being stopped.' });
  if (state.outbox.full())
    problems.push({
      code: 'usage_outbox_full',
      message: `The usage outbox is full with ${state.outbox.pending()} events; the last delivery failed: ${state.outbox.lastFailure() ?? 'it has not been tried yet'}.`,
    });
  return problems;
}

function noticesOf(outbox: Outbox<UsageEvent>, keys: GatewayKeys | undefined): Problem[] {
  const notices: Problem[] = [];
  const failure = outbox.lastFailure();
  if (failure !== undefined)
    notices.push({
      code: 'usage_delivery_failing',
      message: `${outbox.pending()} usage events wait on disk: ${failure}.`,
    });
  const keysProblem = keys?.problem();
  if (keysProblem !== undefined) notices.push({ code: 'gateway_keys_unreadable', message: keysProblem });
  return notices;
}
