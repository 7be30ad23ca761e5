import type { KeyObject } from 'node:crypto';
import type { AddressSet } from '../access/addresses.ts';
import type { Limiter } from '../limits/limiter.ts';
import type { SlidingWindow } from '../limits/sliding-window.ts';
import type { Logger } from '../../foundation/logger.ts';
import type { Outbox } from '../../foundation/outbox.ts';
import type { Authenticated, Verifiers } from './authenticate.ts';
import type { Spool, SpooledBody, WantedBody } from './body-spool.ts';
import type { Cors } from './cors.ts';
import type { Caller } from './edge.ts';
import { addressBlock } from './client-address.ts';
import { bound } from './config.ts';
import type { Endpoints } from './endpoints.ts';
import type { Transfer } from './forward.ts';
import type { RawHeaders } from './headers.ts';
import type { Ledger } from './ledger.ts';
import type { Metrics } from './metrics.ts';
import type { Policies } from './policies.ts';
import type { Entry } from './records.ts';
import type { Target } from './target.ts';
import type { Risks } from './risks.ts';
import type { UseLog } from './use-log.ts';

/** What assertions are signed with. */
export interface SigningKey {
  kid: string;
  privateKey: KeyObject;
}

/** What every request is served with. */
export interface Gateway {
  hosts: ReadonlySet<string>;
  /** Origins of the pages that may call from elsewhere. */
  origins: ReadonlySet<string>;
  trusted: AddressSet;
  apiUrl: string;
  policies: () => Policies | undefined;
  /** Asks the API for news now; resolves when they are there, or it is clear that there are none. */
  refreshPolicies: () => Promise<void>;
  signingKey: SigningKey;
  verifiers: Verifiers;
  spool: Spool;
  uses: UseLog;
  risks: Risks;
  records: Outbox<Entry>;
  ledger: Ledger;
  limiter: Limiter;
  /** For what is charged to nobody; of this process alone. */
  views: Limiter;
  /** What cannot be reached, so that the service is reduced: `ledger`, `limits`, `snapshot`. */
  away: () => string[];
  /** Of this process alone. */
  windows: { refusals: SlidingWindow; signIn: SlidingWindow };
  endpoints: Endpoints;
  metrics: Metrics;
  logger: Logger;
  /** Requests that a key has open, to be ended when it is revoked. */
  open: Set<OpenRequest>;
  now: () => Date;
  monotonicMs: () => number;
  newId: () => string;
}

export interface OpenRequest {
  /** Whether who made it would still be believed. */
  holds: Authenticated['holds'];
  abort: AbortController;
}

export type RouteLabel = 'service' | 'api' | 'auth' | 'home' | 'healthz' | 'none';

/** One request, and what has been found out about it so far: the log line and the audit record are made of it. */
export interface Exchange extends Caller {
  id: string;
  at: Date;
  startedMs: number;
  method: string;
  /** Fit for records. */
  path: string;
  rawHeaders: RawHeaders;
  upgrade: boolean;
  route: RouteLabel;
  host: string;
  cors: Cors;
  target: Target;
  tenant: string;
  principal: string;
  action: string;
  resource: string;
  allowed: boolean;
  rule: string;
  transfer: Transfer;
  /** Milliseconds from the first byte to the service until its answer was complete. */
  serviceMs: number;
  reachedService: boolean;
  audited: boolean;
  /** Reads the whole body before anybody else does; absent where there is none. @throws RequestError */
  readBody: ((wanted: Omit<WantedBody, 'from'>) => Promise<SpooledBody>) | undefined;
  /** The body, when it was read so. */
  spooled: SpooledBody | undefined;
  /** Of the key that the request rests on. */
  keyId: string | undefined;
  /** When the limits counted it, in milliseconds since the epoch, by the clock that they go by. */
  admittedAt: number | undefined;
  /** The error code of an answer that is a page. */
  refusedWith: string | undefined;
}

export interface Outcome {
  status: number;
  /** The error code answered, if one was. */
  code?: string;
}

/**
 * Whether this one gets an audit record: all that is charged, and refusals, so many of one caller in a window. A flood
 * of refusals must not fill the log that settlements need.
 */
function isAudited(gateway: Gateway, exchange: Exchange, { code }: Outcome): boolean {
  if (exchange.allowed && exchange.action === 'infer') return true;
  if (code === undefined) return false;
  const who =
    exchange.principal === ''
      ? `address:${addressBlock(exchange.client.address)}`
      : `principal:${exchange.principal}`;
  const { windows, metrics, monotonicMs } = gateway;
  if (windows.refusals.take(who, bound.auditedRefusals, monotonicMs()).admitted) return true;
  metrics.auditSuppressed.inc();
  return false;
}

/** Puts the audit record on the disk, once. A record that cannot be kept is counted and logged, never thrown. */
export async function audit(gateway: Gateway, exchange: Exchange, outcome: Outcome): Promise<void> {
  if (exchange.audited) return;
  exchange.audited = true;
  if (!isAudited(gateway, exchange, outcome)) return;
  const { id, at, tenant, principal, action, resource, allowed, rule, method, path, transfer } = exchange;
  await keep(gateway, {
    audit: {
      id,
      at: at.toISOString(),
      tenant,
      principal,
      action,
      resource,
      allowed,
      rule,
      method,
      path,
      status: outcome.status,
      ...(outcome.code === undefined ? {} : { code: outcome.code }),
      clientIp: exchange.client.address,
      durationMs: Math.round(gateway.monotonicMs() - exchange.startedMs),
      ...transfer,
    },
  });
}

/** Appends to the outbox; the work is done by now, so a failure is reported instead of thrown. */
export async function keep(gateway: Gateway, entry: Entry): Promise<void> {
  try {
    await gateway.records.append(entry);
  } catch (error) {
    gateway.metrics.recordsFailed.inc({ reason: 'not_kept' });
    gateway.logger.error({ err: error, entry }, 'a record could not be kept');
  }
}

/** The access log line and the numbers, when all is over. */
export function conclude(gateway: Gateway, exchange: Exchange, { status, code }: Outcome): void {
  const { metrics, logger, monotonicMs } = gateway;
  const { id, method, path, route, tenant, principal, rule, client, transfer } = exchange;
  const ms = monotonicMs() - exchange.startedMs;
  if (exchange.allowed) gateway.uses.note(exchange);
  metrics.requests.inc({ route, status });
  if (code !== undefined) metrics.refusals.inc({ code });
  if (exchange.serviceMs > 0) metrics.overhead.observe({ route }, (ms - exchange.serviceMs) / 1000);
  logger.info(
    {
      requestId: id,
      method,
      path,
      route,
      status,
      code,
      tenant,
      principal,
      rule,
      admittedAt: exchange.admittedAt,
      clientIp: client.address,
      ms: Math.round(ms * 10) / 10,
      overheadMs: exchange.serviceMs > 0 ? Math.round((ms - exchange.serviceMs) * 10) / 10 : undefined,
      ...transfer,
    },
    'request',
  );
}
