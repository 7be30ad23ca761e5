import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

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
}

export interface Observed {
  pending: () => Iterable<[model: string, jobs: number]>;
  outboxPending: () => number;
}

export function createMetrics(observed: Observed): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // The event loop's delay is of the time since the last scrape; one millisecond is how finely it is watched.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1 });
  const seconds = (name: string, help: string): Histogram<'model'> =>
    new Histogram({ name, help, labelNames: ['model'], buckets: SECONDS, registers });
  new Gauge({
    name: 'inference_pending',
    help: 'Jobs waiting or running.',
    labelNames: ['model'],
    registers,
    collect() {
      for (const [model, jobs] of observed.pending()) this.set({ model }, jobs);
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
    childRestarts: new Counter({
      name: 'child_restarts_total',
      help: 'Model processes that had to be replaced, by cause: deadline, died, load_failed.',
      labelNames: ['model', 'cause'],
      registers,
    }),
  };
}
