import { sql } from 'kysely';
import type { Conditions, Permission } from '../../../contracts/access.ts';
import type { Database } from '../../database/schema.ts';

export interface StoredRole {
  name: string;
  description: string;
  permissions: Permission[];
  conditions: Conditions | null;
  changedBy: string;
  changedAt: Date;
}

const roles = (db: Database) =>
  db
    .selectFrom('custom_role')
    .select([
      'name',
      'description',
      'permissions',
      'conditions',
      'changed_by as changedBy',
      'changed_at as changedAt',
    ]);

export async function listRoles(db: Database, tenant: string): Promise<StoredRole[]> {
  return roles(db).where('tenant', '=', tenant).orderBy('name').execute();
}

/** Locked until the transaction ends: nobody changes what somebody else is just giving away. */
export async function findRole(db: Database, tenant: string, name: string): Promise<StoredRole | undefined> {
  return roles(db).where('tenant', '=', tenant).where('name', '=', name).forUpdate().executeTakeFirst();
}

export async function countRoles(db: Database, tenant: string): Promise<number> {
  const { count } = await db
    .selectFrom('custom_role')
    .select(sql<number>`count(*)::integer`.as('count'))
    .where('tenant', '=', tenant)
    .executeTakeFirstOrThrow();
  return count;
}

export async function putRole(
  db: Database,
  tenant: string,
  role: Omit<StoredRole, 'conditions'> & { conditions: Conditions | undefined },
): Promise<void> {
  const row = {
    description: role.description,
    permissions: JSON.stringify(role.permissions),
    conditions: role.conditions === undefined ? null : JSON.stringify(role.conditions),
    changed_by: role.changedBy,
    changed_at: role.changedAt,
  };
  await db
    .insertInto('custom_role')
    .values({ tenant, name: role.name, ...row })
    .onConflict((conflict) => conflict.columns(['tenant', 'name']).doUpdateSet(row))
    .execute();
}

/** With everything that was given by way of it. */
export async function deleteRole(db: Database, tenant: string, name: string): Promise<void> {
  await db.deleteFrom('role_assignment').where('tenant', '=', tenant).where('role', '=', name).execute();
  await db
    .deleteFrom('access_grant')
    .where('tenant', '=', tenant)
    .where('subject_kind', '=', 'role')
    .where('subject', '=', name)
    .execute();
  await db.deleteFrom('custom_role').where('tenant', '=', tenant).where('name', '=', name).execute();
}

export interface Assignment {
  principal: string;
  name: string;
  givenBy: string;
  givenAt: Date;
}

export async function listAssignments(db: Database, tenant: string, role: string): Promise<Assignment[]> {
  return db
    .selectFrom('role_assignment as a')
    .innerJoin('principal as p', 'p.id', 'a.principal')
    .select(['a.principal', 'p.name', 'a.given_by as givenBy', 'a.given_at as givenAt'])
    .where('a.tenant', '=', tenant)
    .where('a.role', '=', role)
    .orderBy('p.name')
    .limit(10_000)
    .execute();
}

/** False when it had it already. */
export async function assignRole(
  db: Database,
  assignment: { tenant: string; role: string; principal: string; givenBy: string; givenAt: Date },
): Promise<boolean> {
  const { tenant, role, principal, givenBy, givenAt } = assignment;
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('role_assignment')
    .values({ tenant, role, principal, given_by: givenBy, given_at: givenAt })
    .onConflict((conflict) => conflict.columns(['principal', 'role']).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows > 0n;
}

/** False when it did not have it. */
export async function withdrawRole(
  db: Database,
  tenant: string,
  role: string,
  principal: string,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('role_assignment')
    .where('tenant', '=', tenant)
    .where('role', '=', role)
    .where('principal', '=', principal)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
