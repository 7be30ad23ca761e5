import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface GatewayState {
  snapshotAgeSeconds: () => number;
  outboxPending: () => number;
  degraded: () => boolean;
  away: () => string[];
  /** In seconds since 1970; NaN without TLS. */
  certificateEndsAt: () => number;
}

export interface Metrics {
  registry: Registry;
  requests: Counter<'route' | 'status'>;
  overhead: Histogram<'route'>;
  inFlight: Gauge<'route'>;
  refusals: Counter<'code'>;
  auditSuppressed: Counter;
  recordsFailed: Counter<'reason'>;
}

/** Labels are from small fixed sets: no tenant, key or path. */
export function createMetrics(state: GatewayState): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('imageplane_gateway_snapshot_age_seconds', 'Since the API last confirmed the snapshot', () =>
    Math.min(state.snapshotAgeSeconds(), Number.MAX_SAFE_INTEGER),
  );
  gauge(
    'imageplane_gateway_outbox_pending',
    'Settlements and audit records on their way',
    state.outboxPending,
  );
  gauge('imageplane_gateway_degraded', '1 while the ledger is away', () => (state.degraded() ? 1 : 0));
  new Gauge({
    name: 'imageplane_gateway_away',
    help: '1 while it cannot be reached, so that the service is reduced',
    labelNames: ['what'],
    registers,
    collect() {
      const away = state.away();
      for (const what of ['ledger', 'limits', 'snapshot']) this.set({ what }, away.includes(what) ? 1 : 0);
    },
  });
  gauge(
    'imageplane_gateway_certificate_ends_at_seconds',
    'When the TLS certificate in use ends, since 1970; NaN without TLS',
    state.certificateEndsAt,
  );
  return {
    registry,
    requests: new Counter({
      name: 'imageplane_gateway_requests_total',
      help: 'Requests answered; status 499 when the client left first',
      labelNames: ['route', 'status'],
      registers,
    }),
    overhead: new Histogram({
      name: 'imageplane_gateway_overhead_seconds',
      help: 'Time of proxied requests that was not spent on the service or on the request body',
      labelNames: ['route'],
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1],
      registers,
    }),
    inFlight: new Gauge({
      name: 'imageplane_gateway_in_flight',
      help: 'Requests being served, event streams and WebSockets included',
      labelNames: ['route'],
      registers,
    }),
    refusals: new Counter({
      name: 'imageplane_gateway_refusals_total',
      help: 'Requests that the gateway itself refused, by error code',
      labelNames: ['code'],
      registers,
    }),
    auditSuppressed: new Counter({
      name: 'imageplane_gateway_audit_suppressed_total',
      help: 'Refusals beyond the number of one caller that are recorded each minute',
      registers,
    }),
    recordsFailed: new Counter({
      name: 'imageplane_gateway_records_failed_total',
      help: 'Settlements and audit records that could not be kept or were refused by the database',
      labelNames: ['reason'],
      registers,
    }),
  };
}
