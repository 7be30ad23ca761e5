import { createServer } from 'node:http';
import { v7 as newUuid } from 'uuid';
import packageJson from '../package.json' with { type: 'json' };
import type { UsageEvent } from '../contracts/usage-event.ts';
import { fetchAnywhere } from '../foundation/fetch.ts';
import { closeServer, listen } from '../foundation/http.ts';
import type { Logger } from '../foundation/logger.ts';
import { openOutbox, type Outbox } from '../foundation/outbox.ts';
import { apiApp } from './api/app.ts';
import { anyone, byAssertion, type Identify } from './api/caller.ts';
import { type GatewayKeys, openGatewayKeys } from './api/keys.ts';
import { type FetchImage, imageFetcher } from './api/remote-image.ts';
import { createReplayCache } from './api/replay-cache.ts';
import { boundUploads } from './api/uploads.ts';
import type { InferenceServerConfig } from './config.ts';
import { createEngine } from './engine/create-engine.ts';
import type { Engine } from './engine/engine.ts';
import type { Problem } from './engine/problem.ts';
import { healthApp } from './health.ts';
import { engineOptions } from './engine-options.ts';
import { createMetrics } from './metrics.ts';
import { createReload } from './reload.ts';
import { createDelivery } from './usage/delivery.ts';

const REMEMBERED_ASSERTIONS = 200_000;
const UPLOADS_AT_ONCE = 32;
/** A body that trickles in is cut off after this. */
const REQUEST_TIMEOUT_MS = 120_000;
const DRAIN_MS = 10_000;
/** What is not done by then is told to come again, and has this long to hear it. */
const ANSWER_MS = 500;
const DELIVER_BEFORE_EXIT_MS = 2_000;

/** Starts everything; gives back how to stop it, and how to put a changed configuration to use. The server listens at once, and is ready when its models are. */
export async function startInferenceServer(
  config: InferenceServerConfig,
  logger: Logger,
): Promise<{ stop: () => Promise<void>; reload: (config: InferenceServerConfig) => Promise<void> }> {
  const now = (): number => Date.now();
  const keys = await gatewayKeys(config, logger, now);
  const outbox = await openOutbox<UsageEvent>({
    directory: config.usage.outbox,
    deliver: createDelivery({
      ...config.usage,
      directory: config.usage.outbox,
      fetch: fetchAnywhere,
      logger,
    }),
    maxBytes: config.usage.maxBytes,
    maxBatch: 200,
    logger,
    random: Math.random,
  });
  const engine = createEngine(engineOptions(config, { outbox, logger, metrics: () => metrics }));
  const metrics = createMetrics({
    models: () => engine.models(),
    cacheBytes: () => engine.cacheBytes(),
    outboxPending: () => outbox.pending(),
  });

  const underWay = new Set<Promise<void>>();
  let stopping = false;
  const health = {
    problems: () => problemsOf({ stopping, engine, outbox }),
    notices: () => noticesOf(outbox, keys),
  };
  const api = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: 10_000, maxHeaderSize: 16_384 },
    apiApp({
      engine,
      identify: identifyBy(config, keys, now),
      uploads: boundUploads(UPLOADS_AT_ONCE),
      ...config.limits,
      fetchImage: fetchImageBy(config),
      count: (labels) => {
        metrics.requests.inc(labels);
      },
      now: () => new Date(now()),
      startedAt: new Date(now()),
      version: packageJson.version,
      logger,
      underWay,
    }),
  );
  const probes = createServer(healthApp(health, metrics.registry));
  logger.info({ address: await listen(probes, config.metrics) }, 'probes and metrics');
  logger.info({ address: await listen(api, config.listen) }, 'listening');

  const stop = async (): Promise<void> => {
    stopping = true;
    const closing = closeServer(api, DRAIN_MS + ANSWER_MS);
    await engine.stop(DRAIN_MS);
    await Promise.allSettled(underWay);
    await closing;
    await outbox.close(DELIVER_BEFORE_EXIT_MS);
    await closeServer(probes, 0);
  };
  return { stop, reload: createReload(engine, config, logger) };
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

function fetchImageBy({ remoteImages, limits }: InferenceServerConfig): FetchImage | undefined {
  if (!remoteImages.enabled) return undefined;
  return imageFetcher({ ...remoteImages, maxBytes: limits.maxBodyBytes });
}

function problemsOf(state: { stopping: boolean; engine: Engine; outbox: Outbox<UsageEvent> }): Problem[] {
  const problems = state.engine.problems();
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
