import type { ErrorRequestHandler, Express, RequestHandler } from 'express';
import { sentence, toRequestError } from '../../../foundation/errors.ts';
import { readerOf, sendError } from '../../../foundation/http.ts';
import { pageHeaders } from '../../../foundation/page.ts';
import { databaseErrors } from '../database-errors.ts';
import { type AuthContext, type AuthRoutes, clientOf } from './context.ts';
import { invitationRoutes } from './invitation.ts';
import { localRoutes } from './local.ts';
import { ownSessionRoutes } from './own-sessions.ts';
import { failurePage, signInPage } from './pages.ts';
import { providerRoutes } from './providers.ts';
import { safeNext } from './next.ts';
import { formBody, formInvalid, signInRoutes } from './sign-in.ts';
import { giveToken, tokenOperation } from './token.ts';

/** For programs: no cookie, no page. */
const tokenRoutes: AuthRoutes = (app, { db, sessions: { key }, surroundings }) => {
  app[tokenOperation.method](tokenOperation.path, formBody, async (request, response) => {
    const answer = await giveToken(request.body, clientOf(request).address, { db, key, surroundings });
    response.set('cache-control', 'no-store').json(answer);
  });
};

const ways: AuthRoutes[] = [
  signInRoutes,
  providerRoutes,
  localRoutes,
  invitationRoutes,
  ownSessionRoutes,
  tokenRoutes,
];

/** `/auth`: signing in, by whatever way, and what becomes of the session. */
export function installAuth(app: Express, context: AuthContext, authenticate: RequestHandler): void {
  app.use('/auth', authenticate);
  for (const routes of ways) routes(app, context);
  app.use('/auth', databaseErrors, pageErrors(context));
}

/**
 * People get a page that says what to do; programs get the error in its one shape. Neither the log nor anybody else gets
 * the query, which holds the provider's codes.
 */
function pageErrors({ providers, logger }: AuthContext): ErrorRequestHandler {
  return (thrown: unknown, request, response, next) => {
    if (response.headersSent) {
      next(thrown);
      return;
    }
    const error = isBodyError(thrown) ? formInvalid() : toRequestError(thrown);
    if (error.code === 'internal') logger.error({ err: thrown, path: request.path }, 'signing in failed');
    const isPage =
      !['/token', '/refresh'].includes(request.path) && request.accepts(['html', 'json']) === 'html';
    if (!isPage || error.code.startsWith('assertion_')) {
      sendError(response, error, readerOf(request));
      return;
    }
    const { language } = clientOf(request);
    const problem = sentence(error, language);
    // Of a form, the page that it stands on, to be filled in again.
    const form = request.method === 'POST' && !request.path.startsWith('/sessions');
    const body = request.body as { next?: unknown } | undefined;
    const page = form
      ? signInPage({ language, next: safeNext(body?.next), providers: providers.values(), problem })
      : failurePage(language, problem);
    response
      .status(error.status)
      .set({ ...error.headers, ...pageHeaders })
      .send(page);
  };
}

/** Express' body parser throws errors of its own, which name in `type` what is wrong with the form. */
function isBodyError(thrown: unknown): boolean {
  return thrown instanceof Error && 'type' in thrown && !('code' in thrown);
}
