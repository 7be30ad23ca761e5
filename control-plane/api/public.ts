import express, { type Express, type RequestHandler } from 'express';
import { refusal } from '../../foundation/errors.ts';
import { errorHandler } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import { databaseErrors } from './database-errors.ts';
import { accountRoutes, ownAccountRoutes } from './routes/accounts.ts';
import { applicationRoutes } from './routes/applications.ts';
import { auditRoutes } from './routes/audit.ts';
import { explainRoutes } from './routes/explain.ts';
import { exportRoutes } from './routes/exports.ts';
import { grantRoutes } from './routes/grants.ts';
import { keyRoutes } from './routes/keys.ts';
import { meRoutes } from './routes/me.ts';
import { quotaRoutes } from './routes/quota.ts';
import { projectRoutes } from './routes/projects.ts';
import { reviewRoutes } from './routes/reviews.ts';
import { roleRoutes } from './routes/roles.ts';
import type { ApiContext, Routes } from './routes/support.ts';
import { sessionRoutes } from './routes/sessions.ts';
import { statusRoutes } from './routes/status.ts';
import { usageRoutes } from './routes/usage.ts';

const subjects: Routes[] = [
  sessionRoutes,
  meRoutes,
  usageRoutes,
  quotaRoutes,
  statusRoutes,
  keyRoutes,
  auditRoutes,
  accountRoutes,
  ownAccountRoutes,
  applicationRoutes,
  reviewRoutes,
  roleRoutes,
  grantRoutes,
  projectRoutes,
  explainRoutes,
  exportRoutes,
];

/** `/api/v1`: what a principal of a tenant may see and change of it. The tenant is the caller's, never the request's. */
export function createPublicApi(
  options: ApiContext & {
    authenticate: RequestHandler;
    logger: Logger;
    /** Adds `/auth`, which has a proof of its own. */
    auth: (app: Express) => void;
  },
): Express {
  const { authenticate, logger, auth, ...context } = options;
  const app = express().disable('x-powered-by').set('etag', false);
  auth(app);
  app.use('/api/v1', authenticate);
  for (const routes of subjects) routes(app, context);
  app.use(() => {
    throw refusal('not_found');
  });
  app.use(databaseErrors);
  app.use(errorHandler(logger));
  return app;
}
