import express, { type Express, type RequestHandler } from 'express';
import { refusal } from '../../foundation/errors.ts';
import { errorHandler } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import { databaseErrors } from './database-errors.ts';
import { documentOperation } from './openapi.ts';
import { operations } from './routes/all.ts';
import type { ApiContext } from './routes/support.ts';
import { serve } from './serve.ts';

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
  serve(app, [...operations, documentOperation], context);
  app.use(() => {
    throw refusal('not_found');
  });
  app.use(databaseErrors);
  app.use(errorHandler(logger));
  return app;
}
