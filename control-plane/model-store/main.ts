import { createServer } from 'node:http';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import { configFromArguments } from '../../foundation/config.ts';
import { messageOf, UsageError } from '../../foundation/errors.ts';
import { closeServer, listen } from '../../foundation/http.ts';
import { createLogger, type Logger } from '../../foundation/logger.ts';
import { runProgram } from '../../foundation/program.ts';
import { prepareStore } from './blobs.ts';
import { type ModelStoreConfig, modelStoreConfig } from './config.ts';
import { fetchFile } from './fetch-file.ts';
import { createFetcher } from './fetcher.ts';
import { openModels } from './models.ts';
import { createBlobApp, createProbeApp } from './server.ts';
import { evictions, removeBlobs, storedBlobs } from './space.ts';

const GRACE_MS = 10_000;
const MAX_CONNECTIONS = 512;

const config = await configFromArguments(
  modelStoreConfig,
  process.argv.slice(2),
  'control-plane/model-store/main.ts',
).catch((error: unknown) => {
  createLogger('model-store', 'info').fatal(error instanceof UsageError ? error.message : { err: error });
  process.exit(2);
});
const logger = createLogger('model-store', config.logLevel);
await runProgram(logger, () => start(config, logger));

async function start(config: ModelStoreConfig, logger: Logger): Promise<() => Promise<void>> {
  const { store, maxBytes, files } = config;
  await prepareStore(store);
  const models = await openModels(config, logger);
  const stopping = new AbortController();
  const metrics = createMetrics(() => fetcher.inFlight());
  const fetcher = createFetcher({
    catalogue: models.catalogue,
    fetchFile: (file, onProgress, offline) =>
      fetchFile(file, store, {
        onProgress,
        offline,
        signal: stopping.signal,
        ...(files === undefined ? {} : { base: files }),
      }),
    async makeRoom(file, reserved) {
      const blobs = await storedBlobs(store);
      const known = models.catalogue();
      const gone = evictions(blobs, { needed: file.size, reserved, maxBytes }, (sha256) => known.has(sha256));
      await removeBlobs(store, gone);
      if (gone.length > 0) logger.info({ blobs: gone.map(({ sha256 }) => sha256) }, 'unlisted blobs removed');
    },
    concurrent: config.concurrentFetches,
    nowMs: () => performance.now(),
    onEnd(outcome, { source, sha256 }) {
      metrics.fetches.inc({ outcome });
      if (outcome !== 'present') logger.warn({ outcome, source, sha256 }, 'a blob could not be fetched');
    },
  });
  const blobs = createServer(
    createBlobApp({
      fetcher,
      waitMs: config.waitSeconds * 1000,
      synced: models.synced,
      onServed: () => {
        metrics.served.inc();
      },
      logger,
    }),
  );
  blobs.maxConnections = MAX_CONNECTIONS;
  const probes = createServer(
    createProbeApp(() => problemsOf(store, models.problem), metrics.registry, logger),
  );
  logger.info(
    { listen: await listen(blobs, config.listen), metrics: await listen(probes, config.metrics) },
    'serving',
  );
  return async () => {
    stopping.abort(new Error('the model store is being stopped'));
    await models.stop();
    await closeServer(blobs, GRACE_MS);
    await closeServer(probes, 0);
  };
}

async function problemsOf(
  store: string,
  modelsProblem: () => string | undefined,
): Promise<{ code: string; message: string }[]> {
  const problem = modelsProblem();
  const found =
    problem === undefined
      ? []
      : [{ code: 'models_unknown', message: `The models cannot be read: ${problem}.` }];
  try {
    await prepareStore(store);
  } catch (error) {
    found.push({ code: 'store_unusable', message: `${store} cannot be used: ${messageOf(error)}` });
  }
  return found;
}

function createMetrics(inFlight: () => number) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  new Gauge({
    name: 'imageplane_model_store_flights',
    help: 'Blobs that are being looked up or fetched.',
    registers,
    collect() {
      this.set(inFlight());
    },
  });
  return {
    registry,
    served: new Counter({
      name: 'imageplane_model_store_blobs_served_total',
      help: 'Blobs, or ranges of them, that were sent to their end.',
      registers,
    }),
    fetches: new Counter({
      name: 'imageplane_model_store_fetches_total',
      help: 'Look-ups and fetches by how they ended.',
      labelNames: ['outcome'] as const,
      registers,
    }),
  };
}
