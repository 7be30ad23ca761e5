import express, { type Express, type RequestHandler } from 'express';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import { refusal } from '../../foundation/errors.ts';
import { errorHandler } from '../../foundation/http.ts';
import type { Logger } from '../../foundation/logger.ts';
import { bearerToken, secretsEqual } from '../../foundation/secret.ts';
import { databaseErrors } from './database-errors.ts';
import { parse } from './routes/support.ts';
import type { SnapshotSource } from './snapshot-source.ts';

export interface Problem {
  code: string;
  message: string;
}

interface InternalOptions {
  token: string;
  snapshots: SnapshotSource;
  /** What else is asked with the internal token. */
  more: (app: Express) => void;
  issueDemoKey: (tenant: string) => Promise<{ key: string; principal: string }>;
  problems: () => Promise<Problem[]>;
  registry: Registry;
  logger: Logger;
}

const demoKeyRequest = z.strictObject({ tenant: z.string().min(1) });

/** For gateways and the supervisor, never for clients. Probes and metrics ask for no token. */
export function createInternal(options: InternalOptions): Express {
  const { token, snapshots, issueDemoKey, problems, registry, logger } = options;
  const app = express().disable('x-powered-by').set('etag', false);
  app.get('/healthz', (_request, response) => {
    response.json({ alive: true });
  });
  app.get('/readyz', async (_request, response) => {
    const found = await problems();
    response.status(found.length === 0 ? 200 : 503).json({ ready: found.length === 0, problems: found });
  });
  app.get('/metrics', async (_request, response) => {
    response.type(registry.contentType).send(await registry.metrics());
  });
  app.use('/internal', requireToken(token));
  app.get('/internal/v1/snapshot', async (request, response) => {
    const current = await snapshots.current();
    response.set('etag', current.etag).set('cache-control', 'no-store');
    if (request.get('if-none-match') === current.etag) response.status(304).end();
    else response.type('application/jose').send(current.token);
  });
  app.post('/internal/v1/demo-key', express.json({ limit: '1kb' }), async (request, response) => {
    const { tenant } = parse(demoKeyRequest, request.body);
    response.status(201).json(await issueDemoKey(tenant));
  });
  options.more(app);
  app.use(() => {
    throw refusal('not_found');
  });
  app.use(databaseErrors);
  app.use(errorHandler(logger));
  return app;
}

function requireToken(token: string): RequestHandler {
  return (request, _response, next) => {
    const given = bearerToken(request.headers.authorization);
    if (given === undefined || !secretsEqual(given, token)) throw refusal('token_unknown');
    next();
  };
}
