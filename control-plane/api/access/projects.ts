import { refusal } from '../../../foundation/errors.ts';
import { lockRights } from '../../access/store/given.ts';
import {
  answerInvitation,
  deleteProject,
  findProject,
  insertInvitation,
  insertProject,
  isMember,
  listMembers,
  listProjects,
  type Member,
  openInvitations,
  type Project,
  type ProjectInvitation,
  removeMember,
} from '../../access/store/projects.ts';
import { appendAuditIn } from '../../audit/record.ts';
import type { Database } from '../../database/schema.ts';
import { raiseEpoch } from '../../identity/accounts/store.ts';
import { type Caller, decisionFor, demand } from '../routes/support.ts';
import { type AccessContext, demandPrincipal, rightsRecord } from './giver.ts';

const DAY_MS = 86_400_000;

/** Administrators see all, others those in which they are. */
export async function projectsOf({ db }: AccessContext, caller: Caller): Promise<Project[]> {
  const all = decisionFor(caller, 'projects:manage', 'project').allow;
  return listProjects(db, caller.tenant, all ? undefined : caller.id);
}

/** The project, for whoever manages it: its owner, and administrators. @throws RequestError 403, 404 */
async function managed(transaction: Database, caller: Caller, id: string): Promise<Project> {
  const project = await findProject(transaction, caller.tenant, id);
  if (project === undefined) throw refusal('project_not_found', { project: id });
  demand(caller, 'projects:manage', 'project', project.owner);
  return project;
}

/** @throws RequestError 409 when the tenant has one of that name */
export async function createProject(
  { db, surroundings }: AccessContext,
  caller: Caller,
  name: string,
): Promise<{ id: string }> {
  demand(caller, 'projects:manage', 'project', caller.id);
  const id = `project_${surroundings.newId()}`;
  await db.transaction().execute(async (transaction) => {
    const { tenant } = caller;
    await demandPrincipal(transaction, tenant, caller.id);
    if (!(await insertProject(transaction, { id, tenant, name, owner: caller.id, at: surroundings.now() })))
      throw refusal('project_exists', { name });
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'projects:create', `project:${id}`, { surroundings, change: { name } }),
    );
  });
  return { id };
}

/** With everything that was given to its members. */
export async function removeProject(
  { db, surroundings }: AccessContext,
  caller: Caller,
  id: string,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    const { name } = await managed(transaction, caller, id);
    for (const { principal } of await listMembers(transaction, id)) await raiseEpoch(transaction, principal);
    await deleteProject(transaction, caller.tenant, id);
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'projects:delete', `project:${id}`, { surroundings, change: { name } }),
    );
  });
}

/** For its members and whoever manages it. */
export async function readProject(
  { db, surroundings }: AccessContext,
  caller: Caller,
  id: string,
): Promise<Project & { list: Member[]; invitations: ProjectInvitation[] }> {
  return db.transaction().execute(async (transaction) => {
    const member = await isMember(transaction, id, caller.id);
    const found = member ? await findProject(transaction, caller.tenant, id) : undefined;
    const project = found ?? (await managed(transaction, caller, id));
    return {
      ...project,
      list: await listMembers(transaction, id),
      invitations: await openInvitations(transaction, caller.tenant, { project: id }, surroundings.now()),
    };
  });
}

/** @throws RequestError 404 when there is no such principal in the tenant; 409 when it is a member */
export async function inviteToProject(
  { db, surroundings }: AccessContext,
  caller: Caller,
  { project: id, principal, days }: { project: string; principal: string; days: number },
): Promise<{ id: string; expiresAt: string }> {
  const at = surroundings.now();
  const expiresAt = new Date(at.getTime() + days * DAY_MS);
  const invitation = surroundings.newId();
  await db.transaction().execute(async (transaction) => {
    await managed(transaction, caller, id);
    const { disabled } = await demandPrincipal(transaction, caller.tenant, principal);
    if (disabled) throw refusal('principal_disabled', { principal });
    if (await isMember(transaction, id, principal)) throw refusal('already_member', { principal });
    await insertInvitation(transaction, {
      id: invitation,
      project: id,
      principal,
      invitedBy: caller.id,
      at,
      expiresAt,
    });
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'projects:invite', `project:${id}`, { surroundings, change: { principal } }),
    );
  });
  return { id: invitation, expiresAt: expiresAt.toISOString() };
}

/** Ends its sessions, too. Members leave by themselves; the owner stays. */
export async function removeFromProject(
  { db, surroundings }: AccessContext,
  caller: Caller,
  { project: id, principal }: { project: string; principal: string },
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    const project =
      principal === caller.id
        ? await findProject(transaction, caller.tenant, id)
        : await managed(transaction, caller, id);
    if (project?.owner === principal) throw refusal('owner_stays');
    if (project === undefined || !(await removeMember(transaction, id, principal)))
      throw refusal('member_not_found', { principal });
    await raiseEpoch(transaction, principal);
    await appendAuditIn(
      transaction,
      rightsRecord(caller, 'projects:remove', `project:${id}`, { surroundings, change: { principal } }),
    );
  });
}

/** What the caller is invited to. */
export async function invitationsFor(
  { db, surroundings }: AccessContext,
  caller: Caller,
): Promise<ProjectInvitation[]> {
  return openInvitations(db, caller.tenant, { principal: caller.id }, surroundings.now());
}

/** The invited answer, and whoever manages the project withdraws; once. @throws RequestError 404 */
export async function answerProjectInvitation(
  { db, surroundings }: AccessContext,
  caller: Caller,
  { id, answer }: { id: string; answer: 'accepted' | 'declined' | 'withdrawn' },
): Promise<void> {
  const now = surroundings.now();
  const none = refusal('invitation_not_found', { invitation: id });
  await db.transaction().execute(async (transaction) => {
    await lockRights(transaction, caller.tenant);
    const [invitation] = await openInvitations(transaction, caller.tenant, { id }, now);
    if (invitation === undefined) throw none;
    if (answer === 'withdrawn') await managed(transaction, caller, invitation.project);
    else if (invitation.principal !== caller.id) throw none;
    if (!(await answerInvitation(transaction, invitation, answer, now))) throw none;
    const { project, principal } = invitation;
    await appendAuditIn(
      transaction,
      rightsRecord(caller, `projects:invitation-${answer}`, `project:${project}`, {
        surroundings,
        change: { principal },
      }),
    );
  });
}
