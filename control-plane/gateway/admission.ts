import type { Principal } from '../../contracts/principal.ts';
import { header } from '../../contracts/headers.ts';
import { rateLimitHeaders } from '../limits/headers.ts';
import type { Reservation } from '../quota/ledger.ts';
import type { Action } from '../access/roles.ts';
import { bound } from './config.ts';
import { type Exchange, type Gateway, keep } from './exchange.ts';
import { refusal } from './messages.ts';
import type { TenantRules } from './policies.ts';

/** Leave to be served. */
export interface Admission {
  /** For the answer. */
  headers: Record<string, string>;
  /** What became of it. Only the first word counts; resolves once it is on the disk. */
  settle(outcome: 'succeeded' | 'failed'): Promise<void>;
}

const NOT_CHARGED: Admission['settle'] = () => Promise.resolve();

/**
 * The window of the minute, then the quota. Views have a window of their own for each principal and cost nothing.
 * @throws RequestError 429 rate_limited, 429 quota_spent, 503 ledger_unavailable, 503 records_unavailable
 */
export async function admit(
  gateway: Gateway,
  exchange: Exchange,
  principal: Principal,
  rules: TenantRules,
  request: { action: Action; service: string },
): Promise<Admission> {
  const charged = request.action === 'infer';
  const headers = takeFromWindow(gateway, exchange, principal, rules, charged);
  if (!charged) return { headers, settle: NOT_CHARGED };
  if (gateway.records.full()) {
    exchange.rule = 'records';
    throw refusal('records_unavailable', { retryAfter: 5 });
  }
  const reservation: Reservation = {
    id: exchange.id,
    tenant: principal.tenant,
    service: request.service,
    principal: principal.id,
    requests: 1,
  };
  const degraded = await takeFromQuota(gateway, exchange, reservation, rules);
  return {
    headers: degraded ? { ...headers, [header.degraded]: 'ledger' } : headers,
    settle: settlementOf(gateway, exchange.id, degraded),
  };
}

function takeFromWindow(
  gateway: Gateway,
  exchange: Exchange,
  principal: Principal,
  rules: TenantRules,
  charged: boolean,
): Record<string, string> {
  if (rules.unlimitedAddresses.has(exchange.client.address)) return {};
  const window = charged ? gateway.windows.infer : gateway.windows.view;
  const answer = window.take(
    charged ? principal.tenant : principal.id,
    charged ? rules.limits.requestsPerMinute : bound.viewsPerWindow,
    gateway.monotonicMs(),
  );
  const headers = rateLimitHeaders(charged ? 'requests' : 'views', window.windowMs, answer);
  if (answer.admitted) return headers;
  exchange.allowed = false;
  exchange.rule = charged ? 'limit:minute' : 'limit:views';
  const retryAfter = Number(headers['retry-after']);
  throw refusal('rate_limited', { limit: answer.limit, retryAfter }, headers);
}

/** True when the ledger is away and the request is served from the tenant's allowance. */
async function takeFromQuota(
  gateway: Gateway,
  exchange: Exchange,
  reservation: Reservation,
  { limits }: TenantRules,
): Promise<boolean> {
  const answer = await gateway.ledger.reserve(reservation, {
    day: limits.requestsPerDay,
    month: limits.requestsPerMonth,
  });
  if (answer === 'away' || answer === 'lost') {
    await chargeLater(gateway, exchange, reservation, answer === 'lost');
    return true;
  }
  if (answer.admitted) return false;
  exchange.allowed = false;
  exchange.rule = `quota:${answer.period}`;
  const { period, limit, used, resetsAt } = answer;
  const retryAfter = Math.max(1, Math.ceil((resetsAt.getTime() - gateway.now().getTime()) / 1000));
  throw refusal('quota_spent', { period, limit, used, resetsAt: resetsAt.toISOString(), retryAfter });
}

/** The charge is on the disk before the work begins, so that no crash makes it free. */
async function chargeLater(
  gateway: Gateway,
  exchange: Exchange,
  reservation: Reservation,
  maybeReserved: boolean,
): Promise<void> {
  const { ledger, records } = gateway;
  const retryAfter = ledger.retryAfterSeconds();
  if (!ledger.takeAllowance(reservation.tenant)) {
    exchange.allowed = false;
    exchange.rule = 'degraded:allowance';
    // The database may have reserved it and only failed to say so.
    if (maybeReserved) void keep(gateway, { settlement: { kind: 'released', id: reservation.id } });
    throw refusal('ledger_unavailable', { retryAfter });
  }
  try {
    await records.append({ settlement: { kind: 'charge', at: exchange.at.toISOString(), ...reservation } });
  } catch (error) {
    gateway.logger.error({ err: error }, 'a charge could not be kept');
    throw refusal('records_unavailable', { retryAfter: 5 });
  }
}

/** A charge entered during an outage stands; a reservation has to be confirmed. Either is released on failure. */
function settlementOf(gateway: Gateway, id: string, degraded: boolean): Admission['settle'] {
  let settled: Promise<void> | undefined;
  return (outcome) => {
    if (settled !== undefined) return settled;
    if (outcome === 'failed') settled = keep(gateway, { settlement: { kind: 'released', id } });
    else settled = degraded ? Promise.resolve() : keep(gateway, { settlement: { kind: 'charged', id } });
    return settled;
  };
}
