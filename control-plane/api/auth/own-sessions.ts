import { z } from 'zod';
import { refusal } from '../../../foundation/errors.ts';
import { pageHeaders } from '../../../foundation/page.ts';
import { listSessions } from '../../identity/sessions.ts';
import { endAllSessions, endOneSession } from '../sessions.ts';
import { type AuthRoutes, clientOf } from './context.ts';
import { noSessionCookie } from './cookies.ts';
import { sessionOf } from './finish.ts';
import { sessionsPage } from './pages.ts';
import { formBody, formOf, sessionInvalid } from './sign-in.ts';

const endForm = z.object({ id: z.string().max(64).optional(), all: z.literal('yes').optional() });

/** A person's own sessions, seen and ended in the browser. */
export const ownSessionRoutes: AuthRoutes = (app, context) => {
  const { db, surroundings } = context;

  app.get('/auth/sessions', async (request, response) => {
    const session = await sessionOf(context, request);
    if (session === undefined) {
      response.redirect(303, '/auth/sign-in');
      return;
    }
    const { tenant, principal, id } = session;
    const sessions = await listSessions(db, { tenant, principal }, surroundings.now());
    response.set(pageHeaders).send(sessionsPage(clientOf(request).language, sessions, id));
  });

  app.post('/auth/sessions/end', formBody, async (request, response) => {
    const session = await sessionOf(context, request);
    if (session === undefined) throw sessionInvalid();
    const { id, all } = formOf(endForm, request);
    const actor = {
      id: session.principal,
      tenant: session.tenant,
      rule: 'own-session',
      clientIp: clientOf(request).address,
    };
    if (all === 'yes') {
      await endAllSessions(db, actor, session.principal, surroundings);
      response.append('set-cookie', noSessionCookie(request));
      response.redirect(303, '/');
      return;
    }
    if (!(await endOneSession(db, actor, { id: id ?? '', principal: session.principal }, surroundings)))
      throw refusal('session_not_found');
    response.redirect(303, '/auth/sessions');
  });
};
