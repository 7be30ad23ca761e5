import type { Conditions, Permission } from '../../../contracts/access.ts';
import type { Principal, Role } from '../../../contracts/principal.ts';
import { refusal } from '../../../foundation/errors.ts';
import { effectivePermissions } from '../../access/explain.ts';
import { beyondOwn, type Giver } from '../../access/grant.ts';
import type { Subject } from '../../access/decide.ts';
import { type Given, readGiven } from '../../access/store/given.ts';
import type { AuditRecord } from '../../audit/record.ts';
import type { Database } from '../../database/schema.ts';
import { actorOf, changeRecord } from '../identity-tools.ts';
import type { Surroundings } from '../keys.ts';
import type { Caller } from '../routes/support.ts';

/** What changes of rights are made with. */
export interface AccessContext {
  db: Database;
  surroundings: Surroundings;
}

/** A principal of the tenant as the database has it now. */
export interface KnownPrincipal extends Principal {
  disabled: boolean;
}

export async function principalIn(
  db: Database,
  tenant: string,
  id: string,
): Promise<KnownPrincipal | undefined> {
  const row = await db
    .selectFrom('principal')
    .select(['id', 'tenant', 'kind', 'name', 'department', 'role', 'disabled_at'])
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const { disabled_at, ...principal } = row;
  return { ...principal, disabled: disabled_at !== null };
}

/** @throws RequestError 404: whoever is of another tenant does not exist. */
export async function demandPrincipal(db: Database, tenant: string, id: string): Promise<KnownPrincipal> {
  const found = await principalIn(db, tenant, id);
  if (found !== undefined) return found;
  throw refusal('principal_not_found', { principal: id });
}

export function subjectWith(principal: Principal, { assigned }: Given): Subject {
  const { id, tenant, kind, name, department, role } = principal;
  return { id, tenant, kind, name, department, role, ...assigned.get(id) };
}

/** Of two, the one that may do less, since the caller's may be a moment old. */
async function giverOf(transaction: Database, caller: Caller, now: Date): Promise<Giver> {
  const given = await readGiven(transaction, now, caller.tenant);
  const current = (await principalIn(transaction, caller.tenant, caller.id)) ?? {
    ...caller,
    disabled: false,
  };
  const role: Role = current.disabled ? 'guest' : current.role;
  const principal = subjectWith({ ...caller, role }, given);
  return { principal, limitedTo: caller.actions, holds: effectivePermissions(principal, given, now) };
}

/**
 * In the transaction that gives it. @throws RequestError 403 grant_exceeds_own, naming the first action and resource
 * that the caller does not hold itself
 */
export async function demandHeld(
  transaction: Database,
  caller: Caller,
  gifts: { permission: Permission; conditions?: Conditions | undefined; expiresAt?: string | undefined }[],
  now: Date,
): Promise<void> {
  const giver = await giverOf(transaction, caller, now);
  for (const { permission, conditions, expiresAt } of gifts) {
    const beyond = beyondOwn(giver, { permission, conditions, expiresAt });
    if (beyond !== undefined)
      throw refusal('grant_exceeds_own', {
        ...beyond,
        gift: {
          en: `${beyond.action} on ${beyond.resource}`,
          zh: `对 ${beyond.resource} 的 ${beyond.action} 权限`,
        },
      });
  }
}

export function rightsRecord(
  caller: Principal,
  action: string,
  resource: string,
  { surroundings, change }: { surroundings: Surroundings; change?: Record<string, unknown> },
): AuditRecord {
  const record = changeRecord(actorOf(caller), action, resource, surroundings);
  return change === undefined ? record : { ...record, change };
}
