import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ModelState } from './engine/engine.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120];

/** Every label has few values: models of the configuration, routes, outcomes and codes. Never a tenant or a key. */
export interface Metrics {
  registry: Registry;
  requests: Counter<'model' | 'route' | 'outcome' | 'reason'>;
  queueSeconds: Histogram<'model'>;
  preprocessSeconds: Histogram<'model'>;
  computeSeconds: Histogram<'model'>;
  postprocessSeconds: Histogram<'model'>;
  modelLoaded: Gauge<'model' | 'execution_provider'>;
  modelLoadSeconds: Gauge<'model'>;
  childRestarts: Counter<'model' | 'cause'>;
  modelEvictions: Counter<'model' | 'cause'>;
  modelLoads: Counter<'model' | 'execution_provider'>;
  pixels: Counter<'model'>;
  cache: Counter<'model' | 'outcome'>;
}

export interface Observed {
  models: () => ModelState[];
  cacheBytes: () => number;
  outboxPending: () => number;
}

export function createMetrics(observed: Observed): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // The event loop's delay is of the time since the last scrape; one millisecond is how finely it is watched.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1 });
  const seconds = (name: string, help: string): Histogram<'model'> =>
    new Histogram({ name, help, labelNames: ['model'], buckets: SECONDS, registers });
  const perModel = (name: string, help: string, value: (state: ModelState) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['model'],
      registers,
      collect() {
        this.reset();
        for (const state of observed.models()) this.set({ model: state.name }, value(state));
      },
    });
  };
  perModel('inference_pending', 'Jobs waiting or running.', ({ waiting, running }) => waiting + running);
  perModel('inference_waiting', 'Jobs waiting for their turn or their model.', ({ waiting }) => waiting);
  perModel('inference_running', 'Runs under way.', ({ running }) => running);
  perModel(
    'model_resident_bytes',
    'Memory of the process of the model after its last run.',
    ({ residentBytes }) => residentBytes,
  );
  perModel(
    'model_reckoned_bytes',
    'What the model is reckoned with against the memory budget.',
    ({ reckonedBytes }) => reckonedBytes,
  );
  new Gauge({
    name: 'inference_cache_bytes',
    help: 'Results that are kept for equal jobs.',
    registers,
    collect() {
      this.set(observed.cacheBytes());
    },
  });
  new Gauge({
    name: 'usage_outbox_pending',
    help: 'Usage events on disk that are not known to be delivered.',
    registers,
    collect() {
      this.set(observed.outboxPending());
    },
  });
  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers });
  return {
    registry,
    requests: new Counter({
      name: 'inference_requests_total',
      help: 'Requests by how they ended; reason is the error code, empty on success.',
      labelNames: ['model', 'route', 'outcome', 'reason'],
      registers,
    }),
    queueSeconds: seconds('inference_queue_seconds', 'From taking a job to giving it to its model process.'),
    preprocessSeconds: seconds('inference_preprocess_seconds', 'Decoding, resizing and normalizing.'),
    computeSeconds: seconds('inference_compute_seconds', "The model's own run."),
    postprocessSeconds: seconds('inference_postprocess_seconds', 'Mask, compositing and encoding.'),
    modelLoaded: new Gauge({
      name: 'model_loaded',
      help: '1 while the model is loaded and warm, with the execution provider it runs on.',
      labelNames: ['model', 'execution_provider'],
      registers,
    }),
    modelLoadSeconds: new Gauge({
      name: 'model_load_seconds',
      help: 'Verifying, loading and warming up, the last time.',
      labelNames: ['model'],
      registers,
    }),
    childRestarts: counter(
      'child_restarts_total',
      'Model processes that were replaced or lost; cause: deadline, cancelled, died, load_failed, runs, growth, replaced.',
      ['model', 'cause'],
    ),
    modelEvictions: counter(
      'model_evictions_total',
      'Model processes that were ended with nothing in their place; cause: idle, memory, requested.',
      ['model', 'cause'],
    ),
    modelLoads: counter('model_loads_total', 'Times the model became ready.', [
      'model',
      'execution_provider',
    ]),
    pixels: counter('inference_pixels_total', 'Pixels of pictures that were made.', ['model']),
    cache: counter(
      'inference_cache_total',
      'Jobs by where their result came from, while results are kept: hit, shared (an equal job ran), miss.',
      ['model', 'outcome'],
    ),
  };
}
