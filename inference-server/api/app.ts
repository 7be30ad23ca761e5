import express, { type Express, type Request, type Response } from 'express';
import { errorHandler } from '../../foundation/http.ts';
import { refusal, sentence } from '../messages.ts';
import { documentation } from './documentation.ts';
import { inferenceProtocol } from './inference-protocol.ts';
import { native } from './native.ts';
import { openai } from './openai.ts';
import { openApiDocument } from './openapi.ts';
import { rembg } from './rembg.ts';
import { type Api, exchangeOf, handlerOf, refuse, type Surface } from './surface.ts';

/** The first is the shape of what is nobody's. */
export const SURFACES: readonly Surface[] = [native, rembg, openai, inferenceProtocol];

export function apiApp(api: Api): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  const surfaces = [...SURFACES, documentation((language) => documentIn(language, api.version))];
  for (const surface of surfaces)
    for (const endpoint of surface.endpoints) {
      const handler = handlerOf(surface, endpoint, api);
      if (endpoint.method === 'GET') app.get(endpoint.path, handler);
      else if (endpoint.method === 'POST') app.post(endpoint.path, handler);
      else app.delete(endpoint.path, handler);
    }
  for (const [path, methods] of methodsByPath(surfaces))
    app.all(path, (request, response) => {
      const allowed = methods.join(', ');
      const error = refusal(
        'method_not_allowed',
        { path: request.path, allowed, method: request.method },
        { headers: { allow: allowed } },
      );
      refuse(surfaceOf(request), exchangeOf(request, response, api), error);
    });
  app.use((request: Request, response: Response) => {
    const path = request.path.slice(0, 200);
    refuse(surfaceOf(request), exchangeOf(request, response, api), refusal('not_found', { path }));
  });
  app.use(errorHandler(api.logger));
  return app;
}

function surfaceOf({ path }: Request): Surface {
  const under = (prefix: string): boolean => path === prefix || path.startsWith(`${prefix}/`);
  return SURFACES.find(({ prefixes }) => prefixes.some(under)) ?? native;
}

function methodsByPath(surfaces: readonly Surface[]): Map<string, string[]> {
  const methods = new Map<string, string[]>();
  for (const { method, path } of surfaces.flatMap(({ endpoints }) => endpoints))
    methods.set(path, [...(methods.get(path) ?? []), method]);
  return methods;
}

/** The OpenAPI document of the whole API. */
export function documentIn(language: 'en' | 'zh', version: string): Record<string, unknown> {
  const example = refusal('image_empty');
  return openApiDocument(SURFACES, {
    language,
    title: 'Imageplane inference server',
    version,
    exampleOf: (surface) =>
      surface.errorBody(
        example,
        sentence(example, language),
        '0190b0a0-0000-7000-8000-000000000000',
      ) as Record<string, unknown>,
  });
}
