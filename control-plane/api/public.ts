import express, { type Express, type RequestHandler } from 'express';
import { RequestError } from '../../foundation/errors.ts';
import { errorHandler } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import { databaseErrors } from './database-errors.ts';
import { auditRoutes } from './routes/audit.ts';
import { keyRoutes } from './routes/keys.ts';
import { meRoutes } from './routes/me.ts';
import type { ApiContext, Routes } from './routes/support.ts';
import { usageRoutes } from './routes/usage.ts';

const subjects: Routes[] = [meRoutes, usageRoutes, keyRoutes, auditRoutes];

/** `/api/v1`: what a principal of a tenant may see and change of it. The tenant is the caller's, never the request's. */
export function createPublicApi(
  options: ApiContext & { authenticate: RequestHandler; logger: Logger },
): Express {
  const { authenticate, logger, ...context } = options;
  const app = express().disable('x-powered-by').set('etag', false);
  app.use('/api/v1', authenticate);
  for (const routes of subjects) routes(app, context);
  app.use((request) => {
    throw new RequestError(404, 'not_found', `There is nothing at ${request.method} ${request.path}.`);
  });
  app.use(databaseErrors);
  app.use(errorHandler(logger));
  return app;
}
