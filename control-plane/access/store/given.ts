import { sql } from 'kysely';
import type { CustomRole, Grant } from '../../../contracts/access.ts';
import type { Database } from '../../database/schema.ts';

/** What was given besides built-in roles: as the snapshot holds it. */
export interface Given {
  roles: CustomRole[];
  grants: Grant[];
  /** By the ids of principals. */
  assigned: Map<string, { customRoles: string[]; projects: string[] }>;
}

/** Until the transaction ends nobody else changes what this tenant has given: what is checked stays so. */
export async function lockRights(transaction: Database, tenant: string): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtextextended('imageplane.rights ' || ${tenant}, 0))`.execute(
    transaction,
  );
}

/** Of all tenants, or of one. What has expired is left out. */
export async function readGiven(db: Database, now: Date, tenant?: string): Promise<Given> {
  return {
    roles: (await rolesOf(db, tenant)).map(customRoleOf),
    grants: await grantsOf(db, now, tenant),
    assigned: await assignedOf(db, tenant),
  };
}

async function rolesOf(db: Database, tenant: string | undefined) {
  let query = db
    .selectFrom('custom_role')
    .select(['tenant', 'name', 'permissions', 'conditions'])
    .orderBy('tenant')
    .orderBy('name');
  if (tenant !== undefined) query = query.where('tenant', '=', tenant);
  return query.execute();
}

function customRoleOf({
  conditions,
  ...role
}: Omit<CustomRole, 'conditions'> & { conditions: Grant['conditions'] | null }): CustomRole {
  return { ...role, ...(conditions === null || conditions === undefined ? {} : { conditions }) };
}

async function grantsOf(db: Database, now: Date, tenant: string | undefined): Promise<Grant[]> {
  let query = db
    .selectFrom('access_grant')
    .selectAll()
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', now)]))
    .orderBy('id');
  if (tenant !== undefined) query = query.where('tenant', '=', tenant);
  return (await query.execute()).map((row) => ({
    id: row.id,
    tenant: row.tenant,
    subject: { kind: row.subject_kind, id: row.subject },
    permission: { actions: row.actions, resources: row.resources },
    ...(row.conditions === null ? {} : { conditions: row.conditions }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at.toISOString() }),
  }));
}

/** Only what is of the principal's own tenant: nothing else was ever written, and nothing else is believed. */
async function assignedOf(db: Database, tenant: string | undefined): Promise<Given['assigned']> {
  const { rows } = await sql<{ principal: string; customRoles: string[]; projects: string[] }>`
    SELECT p.id AS principal,
      ARRAY(SELECT a.role FROM imageplane.role_assignment a
            WHERE a.principal = p.id AND a.tenant = p.tenant ORDER BY a.role) AS "customRoles",
      ARRAY(SELECT m.project FROM imageplane.project_member m JOIN imageplane.project j ON j.id = m.project
            WHERE m.principal = p.id AND j.tenant = p.tenant ORDER BY m.project) AS projects
    FROM imageplane.principal p
    WHERE p.id IN (SELECT principal FROM imageplane.role_assignment
                   UNION SELECT principal FROM imageplane.project_member)
      AND (${tenant ?? null}::text IS NULL OR p.tenant = ${tenant ?? null})
    ORDER BY p.id`.execute(db);
  return new Map(rows.map(({ principal, ...assigned }) => [principal, assigned]));
}
