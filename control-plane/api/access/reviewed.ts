import { sql } from 'kysely';
import { refusal } from '../../../foundation/errors.ts';
import { deleteGrant } from '../../access/store/grants.ts';
import { removeMember } from '../../access/store/projects.ts';
import { withdrawRole } from '../../access/store/roles.ts';
import { raiseEpoch } from '../../identity/accounts/store.ts';
import type { ReviewedRight } from '../reviewed-right.ts';

const takeRole: ReviewedRight['withdraw'] = async (transaction, { id, subject }, { caller }) => {
  const withdrawn = await withdrawRole(transaction, caller.tenant, id, subject);
  if (withdrawn) await raiseEpoch(transaction, subject);
  return withdrawn;
};

const takeMembership: ReviewedRight['withdraw'] = async (transaction, { id, subject }) => {
  const project = await transaction
    .selectFrom('project')
    .select('owner')
    .where('id', '=', id)
    .executeTakeFirst();
  if (project?.owner === subject) throw refusal('owner_stays');
  const removed = await removeMember(transaction, id, subject);
  if (removed) await raiseEpoch(transaction, subject);
  return removed;
};

/** What was given besides built-in roles and keys, line by line, for access reviews. */
export const givenRights: readonly ReviewedRight[] = [
  {
    kind: 'grant',
    rows: (tenant, now) => sql`
      SELECT g.id::text, g.subject_kind || ':' || g.subject, coalesce(p.name, j.name, g.subject),
        'grant:' || g.actions::text || ' ' || g.resources::text || coalesce(' ' || g.conditions::text, ''),
        g.given_by, g.given_at, u.used_at
      FROM imageplane.access_grant g
      LEFT JOIN imageplane.principal p ON g.subject_kind = 'principal' AND p.id = g.subject
      LEFT JOIN imageplane.project j ON g.subject_kind = 'project' AND j.id = g.subject
      LEFT JOIN imageplane.last_use u ON u.kind = 'rule' AND u.id = 'grant:' || g.id::text
      WHERE g.tenant = ${tenant} AND (g.expires_at IS NULL OR g.expires_at > ${now})`,
    withdraw: (transaction, { id }, { caller }) => deleteGrant(transaction, caller.tenant, id),
  },
  {
    kind: 'custom-role',
    rows: (tenant) => sql`
      SELECT a.role, p.id, p.name, 'custom-role:' || a.role || ' ' || r.permissions::text, a.given_by, a.given_at,
        u.used_at
      FROM imageplane.role_assignment a
      JOIN imageplane.custom_role r ON r.tenant = a.tenant AND r.name = a.role
      JOIN imageplane.principal p ON p.id = a.principal
      LEFT JOIN imageplane.last_use u ON u.kind = 'principal' AND u.id = p.id
      WHERE a.tenant = ${tenant} AND p.disabled_at IS NULL`,
    withdraw: takeRole,
  },
  {
    kind: 'project-member',
    rows: (tenant) => sql`
      SELECT j.id, p.id, p.name, 'project:' || j.name, m.given_by, m.given_at, u.used_at
      FROM imageplane.project_member m
      JOIN imageplane.project j ON j.id = m.project
      JOIN imageplane.principal p ON p.id = m.principal
      LEFT JOIN imageplane.last_use u ON u.kind = 'principal' AND u.id = p.id
      WHERE j.tenant = ${tenant} AND p.disabled_at IS NULL`,
    withdraw: takeMembership,
  },
];
