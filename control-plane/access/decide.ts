import { type Principal, role, type Role } from '../../contracts/principal.ts';
import type { AddressSet } from './addresses.ts';
import { type Action, builtInRoles } from './roles.ts';

export interface Resource {
  kind: 'service' | 'key' | 'account' | 'usage' | 'audit' | 'api';
  /** The tenant it belongs to. */
  tenant: string;
  name?: string;
  /** Id of the principal it belongs to, when it belongs to one. */
  owner?: string;
}

export interface AccessContext {
  /** The client's IP address. */
  address: string;
  /** What the resource's tenant demands; undefined when there is no such tenant. */
  tenant: { allowedAddresses: AddressSet } | undefined;
  /** What the service demands besides, when the resource is one. */
  service?: ServiceConditions;
  /** Of the key that the request came with. */
  scopes?: KeyScopes;
}

/** What a key may be used for, within what its principal may. What is absent restricts nothing. */
export interface KeyScopes {
  services?: readonly string[] | undefined;
  actions?: readonly string[] | undefined;
  addresses?: AddressSet | undefined;
}

export interface ServiceConditions {
  minimumRole?: Role | undefined;
  /** The address must be in each of them: an empty one lets nobody in. */
  addressSets: readonly AddressSet[];
}

export interface Decision {
  allow: boolean;
  /** Which rule settled it: stable, for audit records and for the console's «why?». */
  rule: string;
  /** The same for people, in a sentence. */
  reason: string;
}

interface Question {
  principal: Principal;
  action: Action;
  resource: Resource;
  context: AccessContext;
}

type Rule = (question: Question) => Decision | undefined;

const allow = (rule: string, reason: string): Decision => ({ allow: true, rule, reason });
const deny = (rule: string, reason: string): Decision => ({ allow: false, rule, reason });

/** In order; the first that has an opinion settles it. Isolation of tenants comes before everything else. */
const rules: readonly Rule[] = [
  ({ principal, resource }) =>
    principal.tenant === resource.tenant
      ? undefined
      : deny('tenant-isolation', `${principal.name} belongs to another tenant than this ${resource.kind}.`),

  ({ context, resource }) =>
    context.tenant === undefined
      ? deny('tenant-unknown', `There is no tenant ${resource.tenant}.`)
      : undefined,

  ({ context, resource }) => {
    const allowed = context.tenant?.allowedAddresses;
    return allowed === undefined || allowed.size === 0 || allowed.has(context.address)
      ? undefined
      : deny(
          'tenant-addresses',
          `The address ${context.address} is not among those from which tenant ${resource.tenant} may be used.`,
        );
  },

  ({ action, context, resource }) => {
    const { services, actions, addresses } = context.scopes ?? {};
    if (addresses !== undefined && !addresses.has(context.address))
      return deny('key-addresses', `This key may not be used from the address ${context.address}.`);
    if (actions !== undefined && !actions.includes(action))
      return deny('key-actions', `This key is for ${actions.join(', ')} alone.`);
    // A key for some services is for nothing else, such as making other keys, unless it says so.
    const named =
      resource.kind === 'service' ? services?.includes(resource.name ?? '') : actions !== undefined;
    return services === undefined || named === true
      ? undefined
      : deny('key-services', `This key is for ${services.join(', ')} alone.`);
  },

  ({ context, resource }) =>
    context.service === undefined || context.service.addressSets.every((set) => set.has(context.address))
      ? undefined
      : deny(
          'service-addresses',
          `The address ${context.address} is not among those from which ${resource.name ?? 'it'} may be used.`,
        ),

  ({ principal, context, resource }) => {
    const lowest = context.service?.minimumRole;
    // Roles stand from the highest to the lowest.
    return lowest === undefined || role.options.indexOf(principal.role) <= role.options.indexOf(lowest)
      ? undefined
      : deny('service-minimum-role', `${resource.name ?? 'It'} is for the role ${lowest} and above.`);
  },

  ({ principal, action }) =>
    builtInRoles[principal.role].any.includes(action)
      ? allow(`role:${principal.role}`, `The role ${principal.role} may ${action}.`)
      : undefined,

  ({ principal, action, resource }) =>
    resource.owner === principal.id && builtInRoles[principal.role].own.includes(action)
      ? allow(`role:${principal.role}:own`, `The role ${principal.role} may ${action} what is its own.`)
      : undefined,
];

/** Says whether the principal may do it, by which rule, and why. Pure: the console asks it as the gateway does. */
export function decide(
  principal: Principal,
  action: Action,
  resource: Resource,
  context: AccessContext,
): Decision {
  for (const rule of rules) {
    const decision = rule({ principal, action, resource, context });
    if (decision !== undefined) return decision;
  }
  return deny(
    'default-deny',
    `The role ${principal.role} does not include ${action} on this ${resource.kind}.`,
  );
}
