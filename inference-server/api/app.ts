import express, { type Express } from 'express';
import { refusal } from '../../foundation/errors.ts';
import { errorHandler, readerOf, sendError } from '../../foundation/http.ts';
import { native } from './native.ts';
import { rembg } from './rembg.ts';
import { handlerOf, type SurfaceContext } from './surface.ts';

const SURFACES = [rembg, native];

export function apiApp(context: SurfaceContext): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  for (const surface of SURFACES) {
    app.post(surface.route, handlerOf(surface, context));
    app.all(surface.route, (request, response) => {
      sendError(
        response,
        refusal('method_not_allowed', { allowed: 'POST' }, { allow: 'POST' }),
        readerOf(request),
      );
    });
  }
  app.use((request, response) => {
    sendError(response, refusal('not_found'), readerOf(request));
  });
  app.use(errorHandler(context.logger));
  return app;
}
