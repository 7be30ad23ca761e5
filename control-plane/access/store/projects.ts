import { sql } from 'kysely';
import type { Database } from '../../database/schema.ts';

export interface Project {
  id: string;
  name: string;
  owner: string;
  createdAt: Date;
  members: number;
}

const projects = (db: Database, tenant: string) =>
  db
    .selectFrom('project as j')
    .select([
      'j.id',
      'j.name',
      'j.owner',
      'j.created_at as createdAt',
      sql<number>`(SELECT count(*)::integer FROM imageplane.project_member m WHERE m.project = j.id)`.as(
        'members',
      ),
    ])
    .where('j.tenant', '=', tenant);

/** All of the tenant, or those in which somebody is. */
export async function listProjects(
  db: Database,
  tenant: string,
  member: string | undefined,
): Promise<Project[]> {
  let query = projects(db, tenant).orderBy('j.name').limit(5_000);
  if (member !== undefined)
    query = query.where('j.id', 'in', (from) =>
      from.selectFrom('project_member').select('project').where('principal', '=', member),
    );
  return query.execute();
}

/** Locked until the transaction ends. */
export async function findProject(db: Database, tenant: string, id: string): Promise<Project | undefined> {
  return projects(db, tenant).where('j.id', '=', id).forUpdate().executeTakeFirst();
}

/** False when the tenant has one of that name. The owner is its first member. */
export async function insertProject(
  db: Database,
  project: { id: string; tenant: string; name: string; owner: string; at: Date },
): Promise<boolean> {
  const { id, tenant, name, owner, at } = project;
  const { numInsertedOrUpdatedRows = 0n } = await db
    .insertInto('project')
    .values({ id, tenant, name, owner, created_by: owner, created_at: at })
    .onConflict((conflict) => conflict.columns(['tenant', 'name']).doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows === 0n) return false;
  await addMember(db, { project: id, principal: owner, givenBy: owner, at });
  return true;
}

/** With its memberships, invitations and grants. */
export async function deleteProject(db: Database, tenant: string, id: string): Promise<void> {
  await db
    .deleteFrom('access_grant')
    .where('tenant', '=', tenant)
    .where('subject_kind', '=', 'project')
    .where('subject', '=', id)
    .execute();
  await db.deleteFrom('project').where('tenant', '=', tenant).where('id', '=', id).execute();
}

export interface Member {
  principal: string;
  name: string;
  department: string;
  givenBy: string;
  givenAt: Date;
}

export async function listMembers(db: Database, project: string): Promise<Member[]> {
  return db
    .selectFrom('project_member as m')
    .innerJoin('principal as p', 'p.id', 'm.principal')
    .select(['m.principal', 'p.name', 'p.department', 'm.given_by as givenBy', 'm.given_at as givenAt'])
    .where('m.project', '=', project)
    .orderBy('p.name')
    .limit(10_000)
    .execute();
}

export async function isMember(db: Database, project: string, principal: string): Promise<boolean> {
  const row = await db
    .selectFrom('project_member')
    .select('project')
    .where('project', '=', project)
    .where('principal', '=', principal)
    .executeTakeFirst();
  return row !== undefined;
}

async function addMember(
  db: Database,
  { project, principal, givenBy, at }: { project: string; principal: string; givenBy: string; at: Date },
): Promise<void> {
  await db
    .insertInto('project_member')
    .values({ project, principal, given_by: givenBy, given_at: at })
    .onConflict((conflict) => conflict.columns(['project', 'principal']).doNothing())
    .execute();
}

/** False when it was none. */
export async function removeMember(db: Database, project: string, principal: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('project_member')
    .where('project', '=', project)
    .where('principal', '=', principal)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export interface ProjectInvitation {
  id: string;
  project: string;
  projectName: string;
  principal: string;
  invitedBy: string;
  expiresAt: Date;
}

/** Those that wait for an answer, of a project or of a principal. */
export async function openInvitations(
  db: Database,
  tenant: string,
  of: { project?: string; principal?: string; id?: string },
  now: Date,
): Promise<ProjectInvitation[]> {
  let query = db
    .selectFrom('project_invitation as i')
    .innerJoin('project as j', 'j.id', 'i.project')
    .select([
      'i.id',
      'i.project',
      'j.name as projectName',
      'i.principal',
      'i.invited_by as invitedBy',
      'i.expires_at as expiresAt',
    ])
    .where('j.tenant', '=', tenant)
    .where('i.answered_at', 'is', null)
    .where('i.expires_at', '>', now)
    .orderBy('i.id', 'desc')
    .limit(1_000);
  if (of.project !== undefined) query = query.where('i.project', '=', of.project);
  if (of.principal !== undefined) query = query.where('i.principal', '=', of.principal);
  if (of.id !== undefined) query = query.where('i.id', '=', of.id);
  return query.execute();
}

/** Takes the place of one to the same person that waits or has expired. */
export async function insertInvitation(
  db: Database,
  invitation: {
    id: string;
    project: string;
    principal: string;
    invitedBy: string;
    at: Date;
    expiresAt: Date;
  },
): Promise<void> {
  const { id, project, principal, invitedBy, at, expiresAt } = invitation;
  await db
    .updateTable('project_invitation')
    .set({ answered_at: at, answer: 'withdrawn' })
    .where('project', '=', project)
    .where('principal', '=', principal)
    .where('answered_at', 'is', null)
    .execute();
  await db
    .insertInto('project_invitation')
    .values({
      id,
      project,
      principal,
      invited_by: invitedBy,
      invited_at: at,
      expires_at: expiresAt,
      answered_at: null,
      answer: null,
    })
    .execute();
}

/** Answers it once; false when it was answered, withdrawn or has expired. Who accepts is a member. */
export async function answerInvitation(
  db: Database,
  invitation: ProjectInvitation,
  answer: 'accepted' | 'declined' | 'withdrawn',
  now: Date,
): Promise<boolean> {
  const { id, project, principal, invitedBy } = invitation;
  const { numUpdatedRows } = await db
    .updateTable('project_invitation')
    .set({ answered_at: now, answer })
    .where('id', '=', id)
    .where('answered_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return false;
  if (answer === 'accepted') await addMember(db, { project, principal, givenBy: invitedBy, at: now });
  return true;
}
