import type { Conditions, Permission } from '../../../contracts/access.ts';
import { refusal } from '../../../foundation/errors.ts';
import {
  type Assignment,
  assignRole,
  countRoles,
  deleteRole,
  findRole,
  listAssignments,
  putRole,
  type StoredRole,
  withdrawRole,
} from '../../access/store/roles.ts';
import { lockRights } from '../../access/store/given.ts';
import { appendAuditIn } from '../../audit/record.ts';
import type { Database } from '../../database/schema.ts';
import { raiseEpoch } from '../../identity/accounts/store.ts';
import type { Caller } from '../routes/support.ts';
import { type AccessContext, demandHeld, demandPrincipal, rightsRecord } from './giver.ts';

const MAX_ROLES = 500;

async function existing(transaction: Database, tenant: string, name: string): Promise<StoredRole> {
  const found = await findRole(transaction, tenant, name);
  if (found !== undefined) return found;
  throw refusal('role_not_found', { role: name });
}

export interface RoleDefinition {
  name: string;
  description: string;
  permissions: Permission[];
  conditions?: Conditions | undefined;
}

/** Makes or changes it. Whoever has the role has the new permissions at once. @throws RequestError 403, 409 */
export async function defineRole(
  { db, surroundings }: AccessContext,
  caller: Caller,
  role: RoleDefinition,
): Promise<{ made: boolean }> {
  const now = surroundings.now();
  return db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    const count = await countRoles(transaction, caller.tenant);
    const before = await findRole(transaction, caller.tenant, role.name);
    if (before === undefined && count >= MAX_ROLES) throw refusal('too_many_roles', { limit: MAX_ROLES });
    const gifts = role.permissions.map((permission) => ({ permission, conditions: role.conditions }));
    await demandHeld(transaction, caller, gifts, now);
    await putRole(transaction, caller.tenant, {
      ...role,
      conditions: role.conditions,
      changedBy: caller.id,
      changedAt: now,
    });
    const { permissions, conditions } = role;
    await appendAuditIn(
      transaction,
      rightsRecord(caller, before === undefined ? 'roles:create' : 'roles:change', `role:${role.name}`, {
        surroundings,
        change: { permissions, ...(conditions === undefined ? {} : { conditions }) },
      }),
    );
    return { made: before === undefined };
  });
}

export async function removeRole(
  { db, surroundings }: AccessContext,
  caller: Caller,
  name: string,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    const { permissions } = await existing(transaction, caller.tenant, name);
    for (const { principal } of await listAssignments(transaction, caller.tenant, name))
      await raiseEpoch(transaction, principal);
    await deleteRole(transaction, caller.tenant, name);
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'roles:delete', `role:${name}`, { surroundings, change: { permissions } }),
    );
  });
}

export async function membersOf({ db }: AccessContext, caller: Caller, name: string): Promise<Assignment[]> {
  return db.transaction().execute(async (transaction) => {
    await existing(transaction, caller.tenant, name);
    return listAssignments(transaction, caller.tenant, name);
  });
}

/** @throws RequestError 404; 403 when the role may do more than the caller */
export async function giveRole(
  { db, surroundings }: AccessContext,
  caller: Caller,
  { name, principal: id }: { name: string; principal: string },
): Promise<void> {
  const now = surroundings.now();
  await db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    const { permissions, conditions } = await existing(transaction, caller.tenant, name);
    const principal = await demandPrincipal(transaction, caller.tenant, id);
    const gifts = permissions.map((permission) => ({ permission, conditions: conditions ?? undefined }));
    await demandHeld(transaction, caller, gifts, now);
    const given = await assignRole(transaction, {
      tenant: caller.tenant,
      role: name,
      principal: principal.id,
      givenBy: caller.id,
      givenAt: now,
    });
    if (!given) return;
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'roles:assign', `role:${name}`, { surroundings, change: { principal: id } }),
    );
  });
}

/** Ends its sessions, too. */
export async function takeRole(
  { db, surroundings }: AccessContext,
  caller: Caller,
  { name, principal }: { name: string; principal: string },
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    if (!(await withdrawRole(transaction, caller.tenant, name, principal)))
      throw refusal('assignment_not_found', { principal, role: name });
    await raiseEpoch(transaction, principal);
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'roles:withdraw', `role:${name}`, { surroundings, change: { principal } }),
    );
  });
}
