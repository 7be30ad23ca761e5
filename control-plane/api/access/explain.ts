import type { Principal } from '../../../contracts/principal.ts';
import { compileAccess, compileScopes } from '../../access/compile.ts';
import type { Resource } from '../../access/decide.ts';
import {
  type EffectivePermission,
  effectivePermissions,
  explain,
  givenTo,
  type Explanation,
} from '../../access/explain.ts';
import type { Action } from '../../access/roles.ts';
import { readGiven } from '../../access/store/given.ts';
import { refusal } from '../../../foundation/errors.ts';
import { type ApiContext, type Caller, demand } from '../routes/support.ts';
import { demandPrincipal, subjectWith } from './giver.ts';

/** Who, what, when, from where. */
export interface AccessQuestion {
  principal: string;
  action: Action;
  resource: Pick<Resource, 'kind' | 'name' | 'owner'>;
  at?: string | undefined;
  address: string;
  secondFactor: boolean;
  /** Id of the API key that is used, without its prefix. */
  key?: string | undefined;
  unusual: boolean;
}

/** Everybody asks about themselves, administrators about everybody. @throws RequestError 403, 404 */
async function demandAbout(
  { db }: ApiContext,
  caller: Caller,
  id: string,
): Promise<Principal & { disabled: boolean }> {
  if (id !== caller.id) demand(caller, 'members:manage', 'account');
  return demandPrincipal(db, caller.tenant, id);
}

/** The answer that the gateway would give, and what would change it. */
export async function explainAccess(
  context: ApiContext,
  caller: Caller,
  question: AccessQuestion,
): Promise<Explanation> {
  const { db, tenants, declared, surroundings } = context;
  const { tenant } = caller;
  const at = question.at === undefined ? surroundings.now() : new Date(question.at);
  const { disabled, ...principal } = await demandAbout(context, caller, question.principal);
  if (disabled) return refusedAtOnce('principal-disabled', 'The account is disabled.', 'Enable it.');
  const key = await keyOf(context, principal.id, question.key);
  if (key !== undefined && key.ended(at))
    return refusedAtOnce('key-ended', 'The API key is revoked or has expired.', 'Rotate the key.');
  const given = await readGiven(db, at, tenant);
  const subject = subjectWith(principal, given);
  const own = givenTo(subject, given, at);
  const policy = tenants[tenant];
  const access = compileAccess({
    tenants: policy === undefined ? {} : { [tenant]: policy },
    services: Object.fromEntries(
      Object.entries(declared.services).filter(([, service]) => service.tenant === tenant),
    ),
    roles: Object.fromEntries(own.roles.map((role) => [role.name, role])),
    grants: own.grants,
  });
  return explain({
    principal: subject,
    action: question.action,
    resource: { ...question.resource, tenant },
    context: {
      tenant: access.get(tenant),
      at: at.getTime(),
      address: question.address,
      secondFactor: question.secondFactor,
      risky: question.unusual && policy?.access.risk.action === 'SecondFactor',
      ...(key === undefined ? {} : { key }),
    },
  });
}

function refusedAtOnce(rule: string, reason: string, change: string): Explanation {
  return { allow: false, rule, reason, obstacles: [{ rule, reason, change }] };
}

async function keyOf({ db }: ApiContext, principal: string, id: string | undefined) {
  if (id === undefined) return undefined;
  const row = await db
    .selectFrom('api_key')
    .select(['created_at', 'expires_at', 'revoked_at', 'scopes'])
    .where('id', '=', id.replace(/^ipk_/, ''))
    .where('principal', '=', principal)
    .executeTakeFirst();
  if (row === undefined) throw refusal('key_not_found', { key: id });
  return {
    createdAt: row.created_at.getTime(),
    scopes: row.scopes === null ? undefined : compileScopes(row.scopes),
    ended: (at: Date) => row.revoked_at !== null || (row.expires_at !== null && row.expires_at <= at),
  };
}

/** All that a principal holds, and by what. */
export async function effectiveOf(
  context: ApiContext,
  caller: Caller,
  id: string,
): Promise<{
  principal: Principal;
  customRoles: string[];
  projects: string[];
  permissions: EffectivePermission[];
}> {
  const { disabled, ...principal } = await demandAbout(context, caller, id);
  const now = context.surroundings.now();
  const given = await readGiven(context.db, now, caller.tenant);
  const { customRoles = [], projects = [] } = given.assigned.get(id) ?? {};
  const permissions = disabled ? [] : effectivePermissions(subjectWith(principal, given), given, now);
  return { principal, customRoles, projects, permissions };
}
