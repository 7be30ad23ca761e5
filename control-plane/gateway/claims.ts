import type { PrincipalEntry } from '../../contracts/principal.ts';
import type { ServiceRoute } from '../../contracts/snapshot.ts';
import type { Claims, LeaseClaim, WindowClaim } from '../limits/limiter.ts';
import { type Amounts, type Bound, NOTHING, type Period, periods, type Scope } from '../quota/units.ts';
import { bound } from './config.ts';
import { type Policies, quotaKey, type TenantRules } from './policies.ts';

const PIXELS = 1_000_000;
const MILLISECONDS = 1_000;

/** A request that takes from limits and quotas. */
export interface Consumer {
  id: string;
  principal: PrincipalEntry;
  rules: TenantRules;
  /** Absent for what is charged to nobody: a view, a call of the API. */
  service: ServiceRoute | undefined;
  /** Empty for none. */
  project: string;
  /** Whether its address is one that no window applies to. */
  unlimited: boolean;
  /** From 0 to 1: the part of the windows' limits that is left. */
  factor: number;
}

/** The most that a request can take: nobody knows what is in it until it is served. A container may do anything. */
export function worstCase({ limits }: TenantRules, service: ServiceRoute): Amounts {
  const known = service.engine === 'onnx';
  return {
    requests: 1,
    pixels: known ? limits.megapixelsPerRequest * PIXELS : 0,
    steps: service.stepsPerRequest ?? 0,
    computeMs: service.timeoutSeconds * MILLISECONDS,
  };
}

/** What of windows and leases the request has to get. Pure. */
export function claimsOf(consumer: Consumer): Claims {
  const { id, service, rules } = consumer;
  const { pixels, steps } = service === undefined ? NOTHING : worstCase(rules, service);
  return { id, windows: windowsOf(consumer), leases: leasesOf(consumer), weight: { pixels, steps } };
}

function windowsOf({ principal, rules, service, unlimited, factor }: Consumer): WindowClaim[] {
  if (unlimited) return [];
  if (service === undefined)
    return [{ policy: 'views', key: `v:${principal.id}`, limit: bound.viewsPerWindow }];
  const { limits } = rules;
  const reduced = (limit: number): number => Math.max(1, Math.floor(limit * factor));
  return [
    { policy: 'requests', key: `t:${principal.tenant}`, limit: limits.requestsPerMinute },
    {
      policy: 'service',
      key: `s:${service.tenant}/${service.name}`,
      limit: service.limits?.requestsPerMinute ?? 0,
    },
    { policy: 'user', key: `u:${principal.id}`, limit: limits.perUser.requestsPerMinute },
  ]
    .filter(({ limit }) => limit > 0)
    .map((claim) => ({ ...claim, limit: reduced(claim.limit) }));
}

function leasesOf({ principal, rules, service }: Consumer): LeaseClaim[] {
  const requests = (count: number): LeaseClaim['bound'] => ({ requests: count, pixels: 0, steps: 0 });
  if (service === undefined)
    return [
      { policy: 'tenant', key: `v:${principal.tenant}`, bound: requests(bound.viewsOfTenant) },
      { policy: 'user', key: `v:${principal.id}`, bound: requests(bound.viewsOfPrincipal) },
    ];
  const { concurrency, perUser } = rules.limits;
  return [
    { policy: 'tenant', key: `t:${principal.tenant}`, bound: requests(concurrency) },
    {
      policy: 'service',
      key: `s:${service.tenant}/${service.name}`,
      bound: requests(service.limits?.concurrency ?? 0),
    },
    {
      policy: 'user',
      key: `u:${principal.id}`,
      bound: {
        requests: perUser.concurrency,
        pixels: perUser.megapixelsInFlight * PIXELS,
        steps: perUser.stepsInFlight,
      },
    },
  ].filter(({ bound: { requests, pixels, steps } }) => requests + pixels + steps > 0);
}

/** The bounds on the balances that the request is charged to. Pure. */
export function boundsOf({ limits }: TenantRules, policies: Policies, consumer: Consumer): Bound[] {
  const { tenant, id } = consumer.principal;
  return [
    {
      scope: 'tenant',
      period: 'day',
      requests: limits.requestsPerDay,
      pixels: limits.megapixelsPerDay * PIXELS,
      steps: limits.stepsPerDay,
      computeMs: limits.computeSecondsPerDay * MILLISECONDS,
    },
    {
      scope: 'tenant',
      period: 'month',
      requests: limits.requestsPerMonth,
      pixels: limits.megapixelsPerMonth * PIXELS,
      steps: limits.stepsPerMonth,
      computeMs: limits.computeSecondsPerMonth * MILLISECONDS,
    },
    ...(consumer.project === '' ? [] : boundsIn(policies, tenant, 'project', consumer.project)),
    ...boundsIn(policies, tenant, 'user', id),
  ];
}

/** What everybody has, and what this one has instead. */
function boundsIn(
  { quotas }: Policies,
  tenant: string,
  scope: Exclude<Scope, 'tenant'>,
  subject: string,
): Bound[] {
  const found = ['', subject].flatMap((one) => quotas.get(quotaKey({ tenant, scope, subject: one })) ?? []);
  if (found.length === 0) return [];
  const of = (period: Period): Bound =>
    found
      .filter((one) => one.period === period)
      .reduce<Bound>((bounds, { unit, bound: most }) => ({ ...bounds, [unit]: most }), { scope, period });
  return periods.map(of);
}
