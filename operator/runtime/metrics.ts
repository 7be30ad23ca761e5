import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** `error`: failed, tried again. `requeue`: a conflict, tried again. */
export type ReconcileResult = 'success' | 'error' | 'requeue' | 'requeue_after';

export interface ClientMetrics {
  /** `code` is `<error>` without an answer, as client-go has it. */
  answered: (method: string, host: string, code: number | '<error>', seconds: number) => void;
}

export interface ReflectorMetrics {
  /** A list was begun, for what reason. */
  listed: (kind: string, cause: 'start' | 'expired' | 'failed' | 'verify') => void;
  watchEnded: (kind: string, how: string) => void;
  malformed: (kind: string) => void;
  /**
   * A list after the first found a change that no watch had told of. `lost`: the watch had got past that change, so an
   * event went missing. `gap`: it may have happened while there was no watch.
   */
  found: (kind: string, cause: 'lost' | 'gap', count: number) => void;
}

export interface QueueMetrics {
  depth: (priority: string, length: number) => void;
  added: () => void;
  retried: () => void;
  taken: (waitedSeconds: number) => void;
  worked: (seconds: number) => void;
}

export interface ControllerMetrics {
  active: (change: 1 | -1) => void;
  workers: (count: number) => void;
  reconciled: (result: ReconcileResult, seconds: number) => void;
  failed: (how: 'terminal' | 'panic' | 'timeout' | 'other') => void;
}

export interface ApplyMetrics {
  /** `needless`: the server's object was the same before and after. */
  applied: (kind: string, outcome: 'changed' | 'needless' | 'skipped') => void;
}

export interface RuntimeMetrics extends ClientMetrics, ReflectorMetrics, ApplyMetrics {
  queue: (name: string, running: () => readonly number[]) => QueueMetrics;
  controller: (name: string) => ControllerMetrics;
  leader: (lease: string, leading: boolean) => void;
  events: (outcome: 'sent' | 'dropped' | 'failed') => void;
}

const RECONCILE_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5,
  1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
const QUEUE_BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];
const REQUEST_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/** The names of controller-runtime and client-go, so that dashboards for those serve here too; ours are `imageplane_…`. */
export function createRuntimeMetrics(registry: Registry): RuntimeMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name, help, labelNames, registers });
  const histogram = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    buckets: number[],
  ): Histogram<L> => new Histogram({ name, help, labelNames, buckets, registers });

  const requests = counter('rest_client_requests_total', 'HTTP requests', ['code', 'method', 'host']);
  const requestSeconds = histogram(
    'rest_client_request_duration_seconds',
    "Until an answer's head",
    ['verb', 'host'],
    REQUEST_BUCKETS,
  );
  const lists = counter('imageplane_reflector_lists_total', 'Lists begun, by cause', ['kind', 'cause']);
  const watchEnds = counter('imageplane_reflector_watch_ends_total', 'Watches that ended, and how', [
    'kind',
    'how',
  ]);
  const malformed = counter(
    'imageplane_reflector_malformed_lines_total',
    'Lines of a watch that are no event',
    ['kind'],
  );
  const missed = counter(
    'imageplane_reflector_missed_events_total',
    'Changes that a list found and no watch had told of: lost by a watch, or made in a gap between watches',
    ['kind', 'cause'],
  );
  const applies = counter('imageplane_applies_total', 'Server-side applies, by what they did', [
    'kind',
    'outcome',
  ]);
  const events = counter('imageplane_events_total', 'Kubernetes events, by what became of them', ['outcome']);
  const leading = new Gauge({
    name: 'leader_election_master_status',
    help: '1 while this process leads',
    labelNames: ['name'],
    registers,
  });
  return {
    answered(method, host, code, seconds) {
      requests.inc({ code: String(code), method, host });
      requestSeconds.observe({ verb: method, host }, seconds);
    },
    listed(kind, cause) {
      lists.inc({ kind, cause });
    },
    watchEnded(kind, how) {
      watchEnds.inc({ kind, how });
    },
    malformed(kind) {
      malformed.inc({ kind });
    },
    found(kind, cause, count) {
      missed.inc({ kind, cause }, count);
    },
    applied(kind, outcome) {
      applies.inc({ kind, outcome });
    },
    leader(name, isLeader) {
      leading.set({ name }, isLeader ? 1 : 0);
    },
    events(outcome) {
      events.inc({ outcome });
    },
    queue: createQueueMetrics(registry),
    controller: createControllerMetrics(registry),
  };
}

function createQueueMetrics(registry: Registry): RuntimeMetrics['queue'] {
  const registers = [registry];
  const labelNames = ['name', 'controller'] as const;
  const running = new Map<string, () => readonly number[]>();
  const depth = new Gauge({
    name: 'workqueue_depth',
    help: 'Items that wait',
    labelNames: [...labelNames, 'priority'],
    registers,
  });
  const adds = new Counter({ name: 'workqueue_adds_total', help: 'Items added', labelNames, registers });
  const retries = new Counter({
    name: 'workqueue_retries_total',
    help: 'Items tried again',
    labelNames,
    registers,
  });
  const waits = new Histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'Wait of an item before it is worked on',
    labelNames,
    buckets: QUEUE_BUCKETS,
    registers,
  });
  const work = new Histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'Work on an item',
    labelNames,
    buckets: QUEUE_BUCKETS,
    registers,
  });
  const overRunning = (name: string, help: string, fold: (seconds: readonly number[]) => number): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        for (const [queue, seconds] of running) this.set({ name: queue, controller: queue }, fold(seconds()));
      },
    });
  };
  overRunning('workqueue_unfinished_work_seconds', 'Sum of the time that work under way has taken', (all) =>
    all.reduce((sum, one) => sum + one, 0),
  );
  overRunning(
    'workqueue_longest_running_processor_seconds',
    'Longest time that work under way has taken',
    (all) => Math.max(0, ...all),
  );
  return (name, runningSeconds) => {
    running.set(name, runningSeconds);
    const labels = { name, controller: name };
    return {
      depth(priority, length) {
        depth.set({ ...labels, priority }, length);
      },
      added() {
        adds.inc(labels);
      },
      retried() {
        retries.inc(labels);
      },
      taken(seconds) {
        waits.observe(labels, seconds);
      },
      worked(seconds) {
        work.observe(labels, seconds);
      },
    };
  };
}

function createControllerMetrics(registry: Registry): RuntimeMetrics['controller'] {
  const registers = [registry];
  const labelNames = ['controller'] as const;
  const counter = (name: string, help: string): Counter<'controller'> =>
    new Counter({ name, help, labelNames, registers });
  const total = new Counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Reconciles',
    labelNames: ['controller', 'result'],
    registers,
  });
  const errors = counter('controller_runtime_reconcile_errors_total', 'Reconciles that failed');
  const kinds = {
    terminal: counter(
      'controller_runtime_terminal_reconcile_errors_total',
      'Failures that are not tried again',
    ),
    panic: counter('controller_runtime_reconcile_panics_total', 'Failures by a fault of the program'),
    timeout: counter(
      'controller_runtime_reconcile_timeouts_total',
      'Reconciles that ran past their deadline',
    ),
    other: undefined,
  };
  const seconds = new Histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'Length of a reconcile',
    labelNames,
    buckets: RECONCILE_BUCKETS,
    registers,
  });
  const active = new Gauge({
    name: 'controller_runtime_active_workers',
    help: 'Workers that are reconciling',
    labelNames,
    registers,
  });
  const most = new Gauge({
    name: 'controller_runtime_max_concurrent_reconciles',
    help: 'Workers',
    labelNames,
    registers,
  });
  return (controller) => {
    const labels = { controller };
    active.set(labels, 0);
    for (const result of ['success', 'error', 'requeue', 'requeue_after'])
      total.inc({ ...labels, result }, 0);
    for (const each of [errors, kinds.terminal, kinds.panic, kinds.timeout]) each.inc(labels, 0);
    return {
      active(change) {
        active.inc(labels, change);
      },
      workers(count) {
        most.set(labels, count);
      },
      reconciled(result, duration) {
        total.inc({ ...labels, result });
        seconds.observe(labels, duration);
      },
      failed(how) {
        errors.inc(labels);
        kinds[how]?.inc(labels);
      },
    };
  };
}
