import type { AssertionClaims } from '../../contracts/assertion.ts';
import { hasSecondFactor } from '../access/conditions.ts';
import { type AccessContext, decide, type Resource } from '../access/decide.ts';
import type { Risk } from '../access/risk.ts';
import type { Action } from '../access/roles.ts';
import type { Authenticated } from './authenticate.ts';
import { bound } from './config.ts';
import { type Exchange, type Gateway, keep } from './exchange.ts';
import { valuesOf } from './headers.ts';
import { refusal } from './messages.ts';
import type { Policies, TenantRules } from './policies.ts';
import { observationOf } from './risks.ts';

interface Asked {
  policies: Policies;
  authenticated: Authenticated;
  action: Action;
  resource: Resource;
}

interface Leave {
  rules: TenantRules;
  /** The part of the limits that is left in these circumstances. */
  factor: number;
  /** Whether it would still be believed and allowed: what is open ends when it would not. */
  holds: Authenticated['holds'];
}

/**
 * Asks `decide`, and turns a no into an answer that tells a stranger nothing about another tenant.
 * @throws RequestError 403 access_denied, 403 second_factor_required, 404 service_not_found
 */
export async function demand(gateway: Gateway, exchange: Exchange, asked: Asked): Promise<Leave> {
  const { policies, authenticated, action, resource } = asked;
  const { principal } = authenticated;
  exchange.action = action;
  exchange.resource = `${resource.kind}:${resource.tenant}${resource.name === undefined ? '' : `/${resource.name}`}`;
  const context = contextOf(exchange, asked, exchange.at);
  const rules = policies.tenants.get(resource.tenant);
  const unusual = await unusualness(gateway, exchange, asked, rules);
  const asksFactor = rules?.risk.action === 'SecondFactor' && unusual?.risk.level === 'high';
  const decision = decide(principal, action, resource, { ...context, risky: asksFactor });
  exchange.rule = decision.rule;
  if (unusual?.risk.level === 'high') await alert(gateway, exchange, authenticated, unusual.risk);
  if (decision.rule === 'tenant-isolation') throw refusal('service_not_found');
  if (!decision.allow || rules === undefined)
    throw refusal(decision.rule.endsWith('second-factor') ? 'second_factor_required' : 'access_denied', {
      rule: decision.rule,
      reason: decision.reason,
    });
  unusual?.learn();
  return {
    rules,
    // Whoever has shown a second factor is who they say.
    factor:
      unusual === undefined || unusual.risk.level === 'usual' || context.secondFactor ? 1 : bound.riskFactor,
    holds: (current, now) =>
      authenticated.holds(current, now) && isStillAllowed(exchange, { ...asked, policies: current }, now),
  };
}

function contextOf(
  { client }: Exchange,
  { policies, authenticated, resource }: Asked,
  at: Date,
): AccessContext {
  const { amr, key } = authenticated;
  return {
    tenant: policies.access.get(resource.tenant),
    at: at.getTime(),
    address: client.address,
    secondFactor: hasSecondFactor(amr),
    vouched: amr.length === 1 && amr[0] === 'fed',
    ...(key === undefined ? {} : { key }),
  };
}

/** For the API, which cannot see it by itself. */
export function circumstancesOf(
  { client }: Exchange,
  { amr, key }: Authenticated,
): Pick<AssertionClaims, 'circumstances'> {
  const createdAt = key?.createdAt;
  return {
    circumstances: {
      address: client.address,
      secondFactor: hasSecondFactor(amr),
      ...(key === undefined
        ? {}
        : { key: createdAt === undefined ? {} : { createdAt: new Date(createdAt).toISOString() } }),
    },
  };
}

/** By what is in force now. Only what has no end of its own ends with the hours in which it was allowed. */
function isStillAllowed(exchange: Exchange, asked: Asked, now: Date): boolean {
  const { policies, authenticated, action, resource } = asked;
  const { principal, key } = authenticated;
  const current = {
    ...asked,
    authenticated: { ...authenticated, key: key && (policies.keysById.get(key.id) ?? key) },
  };
  const context = contextOf(exchange, current, exchange.upgrade ? now : exchange.at);
  return decide(policies.principals.get(principal.id) ?? principal, action, resource, context).allow;
}

/** Undefined where it does not count. */
async function unusualness(
  gateway: Gateway,
  { at, client, rawHeaders }: Exchange,
  { authenticated: { principal, amr }, resource }: Asked,
  rules: TenantRules | undefined,
): Promise<{ risk: Risk; learn: () => void } | undefined> {
  if (rules === undefined || rules.risk.action === 'Off' || principal.tenant !== resource.tenant)
    return undefined;
  const observation = observationOf(principal.id, {
    at: at.getTime(),
    address: client.address,
    userAgent: valuesOf(rawHeaders, 'user-agent').join(' '),
    night: rules.risk.isNight(at.getTime()),
    secondFactor: hasSecondFactor(amr),
  });
  return {
    risk: await gateway.risks.assess(principal.id, observation),
    learn: () => {
      gateway.risks.learn(principal.id, observation);
    },
  };
}

async function alert(
  gateway: Gateway,
  { at, client }: Exchange,
  { principal }: Authenticated,
  { factors }: Risk,
): Promise<void> {
  if (!gateway.risks.alerts(principal.id, at.getTime())) return;
  await keep(gateway, {
    audit: {
      id: gateway.newId(),
      at: at.toISOString(),
      tenant: principal.tenant,
      principal: principal.id,
      action: 'alert',
      resource: `principal:${principal.id}`,
      allowed: true,
      rule: `risk:${factors.join('+')}`,
      clientIp: client.address,
    },
  });
}
