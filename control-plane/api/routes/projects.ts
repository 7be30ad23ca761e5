import express, { type Request } from 'express';
import { z } from 'zod';
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
import { id } from '../access/schemas.ts';
import { callerOf } from '../authenticate.ts';
import { type Caller, parse, type Routes } from './support.ts';

const newProject = z.strictObject({ name: z.string().trim().min(1).max(100) });
const newInvitation = z.strictObject({ principal: id, days: z.int().min(1).max(30).default(7) });
const invitationPlace = z.strictObject({ id: z.uuid() });

type ById = Request<{ id: string }>;
type ByMember = Request<{ id: string; principal: string }>;
const callerIn = (request: unknown): Caller => callerOf(request as Request).principal;

/** Projects: people of a tenant who share what is granted to the project. Nobody is in one without having accepted. */
export const projectRoutes: Routes = (app, context) => {
  app.get('/api/v1/projects', async (request, response) => {
    response.json({ projects: await projectsOf(context, callerIn(request)) });
  });

  app.post('/api/v1/projects', express.json({ limit: '10kb' }), async (request, response) => {
    const { name } = parse(newProject, request.body);
    response.status(201).json(await createProject(context, callerIn(request), name));
  });

  app.get('/api/v1/projects/:id', async (request: ById, response) => {
    const { list, ...project } = await readProject(context, callerIn(request), request.params.id);
    response.json({ ...project, members: list });
  });

  app.delete('/api/v1/projects/:id', async (request: ById, response) => {
    await removeProject(context, callerIn(request), request.params.id);
    response.status(204).end();
  });

  app.post(
    '/api/v1/projects/:id/invitations',
    express.json({ limit: '10kb' }),
    async (request: ById, response) => {
      const wanted = { project: request.params.id, ...parse(newInvitation, request.body) };
      response.status(201).json(await inviteToProject(context, callerIn(request), wanted));
    },
  );

  app.delete('/api/v1/projects/:id/members/:principal', async (request: ByMember, response) => {
    const { id: project, principal } = request.params;
    await removeFromProject(context, callerIn(request), { project, principal });
    response.status(204).end();
  });

  app.get('/api/v1/invitations', async (request, response) => {
    response.json({ invitations: await invitationsFor(context, callerIn(request)) });
  });

  const answers = { accept: 'accepted', decline: 'declined', withdraw: 'withdrawn' } as const;
  for (const [verb, answer] of Object.entries(answers))
    app.post(`/api/v1/invitations/:id/${verb}`, async (request: ById, response) => {
      const { id: invitation } = parse(invitationPlace, request.params);
      await answerProjectInvitation(context, callerIn(request), { id: invitation, answer });
      response.status(204).end();
    });
};
