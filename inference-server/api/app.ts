import express, { type Express } from 'express';
import { RequestError } from '../../foundation/errors.ts';
import { errorHandler, sendError } from '../../foundation/http.ts';
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
      const message = `${surface.route} takes POST only, not ${request.method}. A picture is sent along; it is not fetched from an address.`;
      sendError(
        response,
        new RequestError(405, 'method_not_allowed', message, { headers: { allow: 'POST' } }),
      );
    });
  }
  app.use((request, response) => {
    const routes = SURFACES.map(({ route }) => `POST ${route}`).join(' and ');
    sendError(
      response,
      new RequestError(404, 'not_found', `There is no ${request.path} here, only ${routes}.`),
    );
  });
  app.use(errorHandler(context.logger));
  return app;
}
