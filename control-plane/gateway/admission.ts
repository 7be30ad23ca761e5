import type { PrincipalEntry } from '../../contracts/principal.ts';
import { header } from '../../contracts/headers.ts';
import type { ServiceRoute } from '../../contracts/snapshot.ts';
import { rateLimitHeadersOf } from '../limits/headers.ts';
import type { Claims, LimitAnswer, Limiter, WindowClaim } from '../limits/limiter.ts';
import type { WindowAnswer } from '../limits/sliding-window.ts';
import type { Reservation } from '../quota/ledger.ts';
import type { Bound } from '../quota/units.ts';
import { boundsOf, claimsOf, type Consumer, worstCase } from './claims.ts';
import { bound } from './config.ts';
import { type Exchange, type Gateway, keep } from './exchange.ts';
import { valuesOf } from './headers.ts';
import { refusal } from './messages.ts';
import type { Policies, TenantRules } from './policies.ts';

/** Leave to be served. */
export interface Admission {
  /** For the answer. */
  headers: Record<string, string>;
  /**
   * What became of it. Only the first word counts; resolves once it is on the disk. With the milliseconds that it took,
   * for services that report no usage.
   */
  settle(outcome: 'succeeded' | 'failed', tookMs?: number): Promise<void>;
  /** It is in flight no more. */
  release(): void;
}

/** Of whoever must not wait for leave. */
export const ADMITTED: Admission = {
  headers: {},
  settle: () => Promise.resolve(),
  release: () => undefined,
};

export interface AdmissionRequest {
  policies: Policies;
  rules: TenantRules;
  /** What is charged; absent for views and calls of the API, which have a window of their own and cost nothing. */
  service?: ServiceRoute;
  /** The part of the windows' limits that this caller has, for whatever reason: from 0 to 1. */
  factor?: number;
}

/**
 * Windows and leases, then the quotas. What is refused is counted nowhere.
 * @throws RequestError 403 project_unknown, 429 rate_limited, 429 too_many_in_flight, 429 quota_spent,
 *   429 ledger_busy, 503 limits_unavailable, 503 ledger_unavailable, 503 records_unavailable
 */
export async function admit(
  gateway: Gateway,
  exchange: Exchange,
  principal: PrincipalEntry,
  request: AdmissionRequest,
): Promise<Admission> {
  const { policies, rules, service } = request;
  const consumer: Consumer = {
    id: exchange.id,
    principal,
    rules,
    service,
    project: service === undefined ? '' : projectOf(exchange, principal),
    unlimited: rules.unlimitedAddresses.has(exchange.client.address),
    factor: (request.factor ?? 1) * reduction(gateway),
  };
  if (service !== undefined && gateway.records.full()) {
    exchange.rule = 'records';
    throw refusal('records_unavailable', { retryAfter: 5 });
  }
  const claims = claimsOf(consumer);
  const limiter = service === undefined ? gateway.views : gateway.limiter;
  const headers = await takeFromLimits(gateway, exchange, limiter, claims);
  const release = (): void => {
    limiter.release(claims);
  };
  if (service === undefined)
    return { ...ADMITTED, headers: { ...headers, ...stateHeader(gateway) }, release };

  const { id, project } = consumer;
  const { tenant } = principal;
  const reservation = {
    ...{ id, tenant, project, service: service.name, principal: principal.id },
    ...worstCase(rules, service),
  };
  try {
    const bounds = boundsOf(rules, policies, consumer);
    const charged = await takeFromQuota(gateway, exchange, reservation, bounds);
    return {
      headers: { ...headers, ...stateHeader(gateway) },
      settle: settlementOf(gateway, id, charged, service.engine === 'container'),
      release,
    };
  } catch (error) {
    limiter.giveBack(claims);
    exchange.admittedAt = undefined;
    throw error;
  }
}

/** A share of the limits is less already. */
function reduction(gateway: Gateway): number {
  return gateway.away().every((what) => what === 'limits') ? 1 : bound.reducedFactor;
}

function stateHeader(gateway: Gateway): Record<string, string> {
  const away = gateway.away();
  return away.length === 0 ? {} : { [header.degraded]: away.join(', ') };
}

/** The one that the request names by `X-Project`, or the first of the principal's: nobody gets out of their bounds. */
function projectOf(exchange: Exchange, { projects }: PrincipalEntry): string {
  const [named] = valuesOf(exchange.rawHeaders, 'x-project');
  if (named === undefined) return [...projects].sort()[0] ?? '';
  if (projects.includes(named)) return named;
  exchange.allowed = false;
  exchange.rule = 'project';
  throw refusal('project_unknown');
}

async function takeFromLimits(
  gateway: Gateway,
  exchange: Exchange,
  limiter: Limiter,
  claims: Claims,
): Promise<Record<string, string>> {
  if (claims.windows.length === 0 && claims.leases.length === 0) return {};
  const answer = await limiter.take(claims);
  if (answer.kind === 'admitted') {
    exchange.admittedAt = answer.at;
    return headersOf(gateway, claims.windows, answer.windows);
  }
  exchange.allowed = false;
  throw limitRefusal(gateway, exchange, claims, answer);
}

function limitRefusal(
  gateway: Gateway,
  exchange: Exchange,
  { windows }: Claims,
  answer: Exclude<LimitAnswer, { kind: 'admitted' }>,
): Error {
  if (answer.kind === 'unavailable') {
    exchange.rule = 'limits';
    const retryAfter = Math.min(60, Math.max(1, Math.ceil(answer.retryAfterMs / 1000)));
    return refusal('limits_unavailable', { retryAfter }, stateHeader(gateway));
  }
  const headers = headersOf(gateway, windows, answer.windows);
  if (answer.kind === 'lease') {
    exchange.rule = `concurrency:${answer.policy}`;
    const { policy: scope, what, limit } = answer;
    return refusal('too_many_in_flight', { scope, what, limit, retryAfter: 1 }, headers);
  }
  exchange.rule = RULES[answer.policy] ?? `limit:${answer.policy}`;
  const limit = windows.find(({ policy }) => policy === answer.policy)?.limit ?? 0;
  return refusal('rate_limited', { limit, retryAfter: Number(headers['retry-after'] ?? 1) }, headers);
}

/** The names that audit records already have. */
const RULES: Record<string, string> = { requests: 'limit:minute', views: 'limit:views' };

function headersOf(
  { limiter }: Gateway,
  windows: readonly WindowClaim[],
  answers: readonly WindowAnswer[],
): Record<string, string> {
  return rateLimitHeadersOf(
    limiter.windowMs,
    windows.flatMap(({ policy }, index) => {
      const answer = answers[index];
      return answer === undefined ? [] : [{ policy, answer }];
    }),
  );
}

/** `later` when the ledger is away and the charge is entered afterwards. */
async function takeFromQuota(
  gateway: Gateway,
  exchange: Exchange,
  reservation: Reservation,
  bounds: readonly Bound[],
): Promise<'now' | 'later'> {
  const answer = await gateway.ledger.reserve(reservation, bounds);
  if (answer === 'busy') {
    exchange.rule = 'ledger-busy';
    throw refusal('ledger_busy', { retryAfter: 1 });
  }
  if (answer === 'away' || answer === 'lost') {
    await chargeLater(gateway, exchange, { reservation, bounds, maybeReserved: answer === 'lost' });
    return 'later';
  }
  if (answer.admitted) return 'now';
  const { scope, period, unit, limit, used, resetsAt } = answer;
  exchange.allowed = false;
  exchange.rule =
    scope === 'tenant' && unit === 'requests' ? `quota:${period}` : `quota:${scope}:${unit}:${period}`;
  const retryAfter = Math.max(1, Math.ceil((resetsAt.getTime() - gateway.now().getTime()) / 1000));
  throw refusal('quota_spent', {
    ...{ scope, period, unit, limit, used },
    resetsAt: resetsAt.toISOString(),
    retryAfter,
  });
}

/** The charge is on the disk before the work begins, so that no crash makes it free. */
async function chargeLater(
  gateway: Gateway,
  exchange: Exchange,
  asked: { reservation: Reservation; bounds: readonly Bound[]; maybeReserved: boolean },
): Promise<void> {
  const { ledger, records } = gateway;
  const { reservation, bounds, maybeReserved } = asked;
  const retryAfter = ledger.retryAfterSeconds();
  const allowance = ledger.takeAllowance(reservation, bounds);
  if (allowance === undefined) {
    exchange.allowed = false;
    exchange.rule = 'degraded:allowance';
    // The database may have reserved it and only failed to say so.
    if (maybeReserved) void keep(gateway, { settlement: { kind: 'released', id: reservation.id } });
    throw refusal('ledger_unavailable', { retryAfter }, stateHeader(gateway));
  }
  try {
    await records.append({
      settlement: { kind: 'charge', at: exchange.at.toISOString(), ...allowance, ...reservation },
    });
  } catch (error) {
    gateway.logger.error({ err: error }, 'a charge could not be kept');
    throw refusal('records_unavailable', { retryAfter: 5 });
  }
}

/** A charge entered during an outage stands; a reservation has to be confirmed. Either is released on failure. */
function settlementOf(
  gateway: Gateway,
  id: string,
  charged: 'now' | 'later',
  measured: boolean,
): Admission['settle'] {
  let settled: Promise<void> | undefined;
  return (outcome, tookMs) => {
    if (settled !== undefined) return settled;
    const computeMs = measured && tookMs !== undefined ? { computeMs: Math.round(tookMs) } : {};
    if (outcome === 'failed') settled = keep(gateway, { settlement: { kind: 'released', id } });
    else
      settled =
        charged === 'later'
          ? Promise.resolve()
          : keep(gateway, { settlement: { kind: 'charged', id, ...computeMs } });
    return settled;
  };
}
