import { type Principal, role } from '../../contracts/principal.ts';
import type { KeyScopes, TenantAccess } from './compile.ts';
import { type Circumstances, type ConditionName, unmetCondition } from './conditions.ts';
import { findRight, type Missed, type Right } from './rights.ts';
import { type Action, administrators, roleGives } from './roles.ts';

/** Who acts, with what it has besides its built-in role. */
export interface Subject extends Principal {
  customRoles?: readonly string[] | undefined;
  projects?: readonly string[] | undefined;
}

export interface Resource {
  kind: 'service' | 'model' | 'folder' | 'project' | 'key' | 'account' | 'usage' | 'audit' | 'api';
  /** The tenant it belongs to. */
  tenant: string;
  name?: string | undefined;
  /** Id of the principal it belongs to, when it belongs to one. */
  owner?: string | undefined;
}

export interface AccessContext extends Omit<Circumstances, 'key'> {
  /** What the resource's tenant demands and has given; undefined when there is no such tenant. */
  tenant: TenantAccess | undefined;
  key?: (NonNullable<Circumstances['key']> & { scopes?: KeyScopes | undefined }) | undefined;
  /** Whether whoever signed the person in may have asked for a second factor without saying so. */
  vouched?: boolean | undefined;
  /** The circumstances are so unusual that a person must show a second factor. */
  risky?: boolean | undefined;
}

export interface Decision {
  allow: boolean;
  /** Which rule settled it: stable, for audit records and for the console's «why?». */
  rule: string;
  /** The same for people, in a sentence. */
  reason: string;
}

export interface Question {
  principal: Subject;
  action: Action;
  resource: Resource;
  context: AccessContext;
}

/** Why one of the gates stays closed, and what would open it. */
export interface Obstacle {
  rule: string;
  reason: string;
  change: string;
}

type Gate = (question: Question) => Obstacle | undefined;

const rank = new Map(role.options.map((name, index) => [name, index]));
const place = ({ kind, name }: Resource): string => name ?? `this ${kind}`;

const isolation: Gate = ({ principal, resource }) =>
  principal.tenant === resource.tenant
    ? undefined
    : {
        rule: 'tenant-isolation',
        reason: `${principal.name} belongs to another tenant than ${resource.kind === 'api' ? 'this' : `this ${resource.kind}`}.`,
        change: 'Nothing: no tenant opens anything to another.',
      };

const known: Gate = ({ context, resource }) =>
  context.tenant !== undefined
    ? undefined
    : {
        rule: 'tenant-unknown',
        reason: `There is no tenant ${resource.tenant}.`,
        change: 'The platform team declares the Tenant.',
      };

const scopedAddresses: Gate = ({ context: { key, address } }) =>
  key?.scopes?.addresses === undefined || key.scopes.addresses.has(address)
    ? undefined
    : {
        rule: 'key-scope-addresses',
        reason: `The address ${address} is not among those from which the API key may be used.`,
        change: "Use the key from one of its addresses, or change the application's scopes.",
      };

const scopedActions: Gate = ({ context: { key }, action }) =>
  key?.scopes?.actions === undefined || key.scopes.actions.has(action)
    ? undefined
    : {
        rule: 'key-scope-actions',
        reason: `The API key may not be used for ${action}.`,
        change: `Add ${action} to the application's scopes, or use another key.`,
      };

const scopedServices: Gate = ({ context: { key }, resource }) => {
  const { services, actions } = key?.scopes ?? {};
  // A key for some services is for nothing else, such as making other keys, unless its actions say so.
  const named = resource.kind === 'service' ? services?.has(resource.name ?? '') : actions !== undefined;
  if (services === undefined || named === true) return undefined;
  return {
    rule: 'key-scope-services',
    reason: `The API key may not be used for ${place(resource)}: it is limited to some services.`,
    change: "Add it to the application's scopes, or use another key.",
  };
};

const CONDITION: Record<ConditionName, (whose: string, address: string) => Omit<Obstacle, 'rule'>> = {
  addresses: (whose, address) => ({
    reason: `The address ${address} is not among those from which ${whose} may be used.`,
    change: 'Ask from one of those addresses.',
  }),
  'time-windows': (whose) => ({
    reason: `This is outside the hours in which ${whose} may be used.`,
    change: 'Ask within those hours.',
  }),
  'second-factor': (whose) => ({
    reason: `${whose[0]?.toUpperCase() ?? ''}${whose.slice(1)} may only be used after a second factor, and an API key is one factor.`,
    change: 'Sign in with a second factor.',
  }),
  'key-age': (whose) => ({
    reason: `The API key is older than ${whose} allows.`,
    change: 'Rotate the key.',
  }),
};

const tenantConditions: Gate = ({ context, resource }) => {
  if (context.tenant === undefined) return undefined;
  const why = unmetCondition(context.tenant.conditions, context);
  return why === undefined
    ? undefined
    : { rule: `tenant-${why}`, ...CONDITION[why](`tenant ${resource.tenant}`, context.address) };
};

/**
 * Demanded of people when they sign in; programs do not. Of administrators it is enough that whoever signed them in
 * vouches for it; where it is demanded of everybody, it must have been said.
 */
const tenantSecondFactor: Gate = ({ principal, context }) => {
  const demanded = context.tenant?.secondFactor ?? 'Never';
  if (demanded === 'Never' || context.secondFactor || principal.kind !== 'user') return undefined;
  if (demanded === 'Administrators' && (!administrators.has(principal.role) || context.vouched === true))
    return undefined;
  return {
    rule: 'tenant-second-factor',
    reason: `Tenant ${principal.tenant} demands a second factor of ${demanded === 'Always' ? 'everybody' : 'administrators'} at sign-in.`,
    change: 'Sign in with a second factor.',
  };
};

const serviceConditions: Gate = ({ context, resource }) => {
  const service = serviceOf(context, resource);
  if (service === undefined) return undefined;
  const why =
    unmetCondition(service.conditions, context) ??
    (service.further === undefined ? undefined : unmetCondition(service.further, context));
  return why === undefined
    ? undefined
    : { rule: `service-${why}`, ...CONDITION[why](place(resource), context.address) };
};

const minimumRole: Gate = ({ principal, context, resource }) => {
  const lowest = serviceOf(context, resource)?.minimumRole;
  // Roles stand from the highest to the lowest.
  if (lowest === undefined || (rank.get(principal.role) ?? Infinity) <= (rank.get(lowest) ?? -1))
    return undefined;
  return {
    rule: 'service-minimum-role',
    reason: `${place(resource)} is for the role ${lowest} and above.`,
    change: `The role ${lowest}, or a lower access.minimumRole of the service.`,
  };
};

const risk: Gate = ({ principal, context }) =>
  context.risky !== true || context.secondFactor || principal.kind !== 'user'
    ? undefined
    : {
        rule: 'risk-second-factor',
        reason: 'The circumstances are unusual for this account, so a second factor is asked for.',
        change: 'Sign in again with a second factor.',
      };

/** In order; the first that stays closed settles it. Isolation of tenants comes before everything else. */
const gates: readonly Gate[] = [
  isolation,
  known,
  scopedAddresses,
  scopedActions,
  scopedServices,
  tenantConditions,
  tenantSecondFactor,
  serviceConditions,
  minimumRole,
  risk,
];

function serviceOf({ tenant }: AccessContext, { kind, name }: Resource) {
  return kind === 'service' && name !== undefined ? tenant?.services.get(name) : undefined;
}

/** Every gate that stays closed. */
export function obstaclesOf(question: Question): Obstacle[] {
  return gates.flatMap((gate) => gate(question) ?? []);
}

/** The names under which a resource may have been granted: a service, also by its model. */
export function grantedNames(context: Pick<AccessContext, 'tenant'>, resource: Resource): string[] {
  const { kind, name } = resource;
  if (name === undefined) return [];
  const model = kind === 'service' ? context.tenant?.services.get(name)?.model : undefined;
  return model === undefined ? [`${kind}:${name}`] : [`${kind}:${name}`, `model:${model}`];
}

/** The built-in role, then what was given besides. */
export function permissionOf(
  { principal, action, resource, context }: Question,
  missed?: Missed,
): Decision | undefined {
  const gives = roleGives(principal.role, action, resource.kind);
  if (gives === 'any')
    return {
      allow: true,
      rule: `role:${principal.role}`,
      reason: `The role ${principal.role} may ${action}.`,
    };
  if (gives === 'own' && resource.owner === principal.id)
    return {
      allow: true,
      rule: `role:${principal.role}:own`,
      reason: `The role ${principal.role} may ${action} what is its own.`,
    };
  if (context.tenant === undefined) return undefined;
  const asked = { subject: principal, action, names: grantedNames(context, resource) };
  const right = findRight(context.tenant.rights, asked, context, missed);
  return right && { allow: true, rule: right.rule, reason: `${sourceOf(right)} gives ${action} on it.` };
}

/** In words. */
export function sourceOf({ rule }: Pick<Right, 'rule'>): string {
  const [kind = '', ...name] = rule.split(':');
  return `The ${kind === 'grant' ? 'grant' : 'custom role'} ${name.join(':')}`;
}

/** Says whether the principal may do it, by which rule, and why. Pure: the console asks it as the gateway does. */
export function decide(
  principal: Subject,
  action: Action,
  resource: Resource,
  context: AccessContext,
): Decision {
  const question = { principal, action, resource, context };
  for (const gate of gates) {
    const obstacle = gate(question);
    if (obstacle !== undefined) return { allow: false, rule: obstacle.rule, reason: obstacle.reason };
  }
  return (
    permissionOf(question) ?? {
      allow: false,
      rule: 'default-deny',
      reason: `The role ${principal.role} does not include ${action} on this ${resource.kind}, and nothing else gives it.`,
    }
  );
}
