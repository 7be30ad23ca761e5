import { z } from 'zod';
import type { Localized } from '../../../foundation/language.ts';
import {
  answerProjectInvitation,
  createProject,
  invitationsFor,
  inviteToProject,
  projectsOf,
  readProject,
  removeFromProject,
  removeProject,
} from '../access/projects.ts';
import { byId, byUuid, id, made, name, time } from '../fields.ts';
import { created, done, everybody, needsUnlessOwn, ok, operation, type Operation } from '../operation.ts';

const project = z.strictObject({
  id: z.string(),
  name: z.string(),
  owner: z.string(),
  createdAt: time,
  members: z.int(),
});
const invitation = z
  .strictObject({
    id: z.uuid(),
    project: z.string(),
    projectName: z.string(),
    principal: z.string(),
    invitedBy: z.string(),
    expiresAt: time,
  })
  .meta({ id: 'ProjectInvitation' });
const member = z.strictObject({
  principal: z.string(),
  name: z.string(),
  department: z.string(),
  givenBy: z.string(),
  givenAt: time,
});

const subject = 'projects';
const access = needsUnlessOwn('projects:manage', 'project');
const errors = ['project_not_found'] as const;

const answers: Record<string, { answer: 'accepted' | 'declined' | 'withdrawn'; summary: Localized }> = {
  accept: { answer: 'accepted', summary: { en: 'Accepts an invitation', zh: '接受邀请' } },
  decline: { answer: 'declined', summary: { en: 'Declines an invitation', zh: '拒绝邀请' } },
  withdraw: { answer: 'withdrawn', summary: { en: 'Withdraws an invitation', zh: '撤回邀请' } },
};

/** Projects: people of a tenant who share what is granted to the project. Nobody is in one without having accepted. */
export const projectOperations: Operation[] = [
  operation({
    method: 'get',
    path: '/api/v1/projects',
    summary: {
      en: 'Projects that one is in; for administrators all',
      zh: '列出所在的项目；管理员可查看全部',
    },
    access: everybody,
    answers: { 200: z.strictObject({ projects: z.array(project) }) },
    errors: [],
    subject,
    handle: async ({ caller }, context) => ok({ projects: await projectsOf(context, caller) }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/projects',
    summary: { en: "Makes a project of the caller's own", zh: '创建属于当前用户的项目' },
    body: z.strictObject({ name }),
    answers: { 201: made },
    errors: ['project_exists', 'principal_not_found'],
    ...{ subject, access },
    handle: async ({ caller, body }, context) => created(await createProject(context, caller, body.name)),
  }),
  operation({
    method: 'get',
    path: '/api/v1/projects/{id}',
    summary: { en: 'A project with its members and open invitations', zh: '查看项目、成员和待答复的邀请' },
    params: byId,
    answers: {
      200: project.extend({ members: z.array(member), invitations: z.array(invitation) }),
    },
    ...{ subject, access, errors },
    async handle({ caller, params }, context) {
      const { list, ...found } = await readProject(context, caller, params.id);
      return ok({ ...found, members: list });
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/projects/{id}',
    summary: { en: 'Deletes a project and what was granted to it', zh: '删除项目及对其的授权' },
    params: byId,
    answers: { 204: null },
    ...{ subject, access, errors },
    async handle({ caller, params }, context) {
      await removeProject(context, caller, params.id);
      return done;
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/projects/{id}/invitations',
    summary: { en: 'Invites a principal to a project', zh: '邀请主体加入项目' },
    params: byId,
    body: z.strictObject({ principal: id, days: z.int().min(1).max(30).default(7) }),
    answers: { 201: made.extend({ expiresAt: time }) },
    errors: [...errors, 'principal_not_found', 'principal_disabled', 'already_member'],
    ...{ subject, access },
    handle: async ({ caller, params, body }, context) =>
      created(await inviteToProject(context, caller, { project: params.id, ...body })),
  }),
  operation({
    method: 'delete',
    path: '/api/v1/projects/{id}/members/{principal}',
    summary: { en: 'Removes a member, or leaves', zh: '移除成员，或退出项目' },
    params: z.strictObject({ id, principal: id }),
    answers: { 204: null },
    errors: [...errors, 'member_not_found', 'owner_stays'],
    ...{ subject, access },
    async handle({ caller, params }, context) {
      await removeFromProject(context, caller, { project: params.id, principal: params.principal });
      return done;
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/invitations',
    summary: { en: 'Invitations that wait for the caller', zh: '列出等待自己答复的邀请' },
    access: everybody,
    answers: { 200: z.strictObject({ invitations: z.array(invitation) }) },
    errors: [],
    subject,
    handle: async ({ caller }, context) => ok({ invitations: await invitationsFor(context, caller) }),
  }),
  ...Object.entries(answers).map(([verb, { answer, summary }]) =>
    operation({
      method: 'post',
      path: `/api/v1/invitations/{id}/${verb}`,
      access: verb === 'withdraw' ? access : everybody,
      params: byUuid,
      answers: { 204: null },
      errors: verb === 'withdraw' ? ['invitation_not_found', ...errors] : ['invitation_not_found'],
      ...{ subject, summary },
      async handle({ caller, params }, context) {
        await answerProjectInvitation(context, caller, { id: params.id, answer });
        return done;
      },
    }),
  ),
];
