import express, { type Express, type Request, type RequestHandler } from 'express';
import { refusal } from '../../foundation/errors.ts';
import { callerOf } from './authenticate.ts';
import type { Operation } from './operation.ts';
import { type ApiContext, demand, parse } from './routes/support.ts';

const SMALL = '10kb';

/** Adds the operations to the application: who may, then the fields, then the work. The only way to add one. */
export function serve(app: Express, operations: readonly Operation[], context: ApiContext): void {
  for (const operation of operations) {
    const { method, path, params, query, body, bodyLimit = SMALL } = operation;
    const reading: RequestHandler[] =
      body === undefined ? [] : [jsonOnly, express.json({ limit: bodyLimit })];
    app[method](expressPath(path), allowed(operation), ...reading, async (request, response) => {
      const claims = callerOf(request);
      const asked = {
        caller: claims.principal,
        claims,
        params: params === undefined ? {} : parse(params, request.params),
        query: query === undefined ? {} : parse(query, request.query),
        body: body === undefined ? {} : parse(body, request.body),
        header: (name: string) => request.get(name),
      };
      const answer = await operation.handle(asked, context);
      response.status(answer.status).set('cache-control', 'no-store');
      if (answer.body === undefined) response.end();
      else response.json(answer.body);
    });
  }
}

export const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

function allowed({ access }: Operation): RequestHandler {
  return (request, _response, next) => {
    if (access.decided === 'first') demand(callerOf(request).principal, access.action, access.kind);
    next();
  };
}

/** A body that nobody reads would be taken for an empty one. */
function jsonOnly(request: Request, _response: unknown, next: () => void): void {
  if (request.is('application/json') === false)
    throw refusal('media_type_unsupported', { allowed: 'application/json' });
  next();
}
