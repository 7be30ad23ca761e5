import express, { type Express } from 'express';
import type { Registry } from 'prom-client';
import { sendJson } from '../foundation/http.ts';
import type { Problem } from './engine/problem.ts';

export interface Health {
  /** What keeps the server from taking work. */
  problems: () => Problem[];
  /** What is wrong, and does not keep it from taking work yet. */
  notices: () => Problem[];
}

/** Probes and metrics, on a port of their own, which no route leads to from outside. */
export function healthApp(health: Health, registry: Registry): Express {
  const app = express();
  app.disable('x-powered-by');
  app.get('/healthz', (_request, response) => {
    sendJson(response, 200, { alive: true });
  });
  app.get('/readyz', (_request, response) => {
    const problems = health.problems();
    const ready = problems.length === 0;
    sendJson(response, ready ? 200 : 503, { ready, problems, notices: health.notices() });
  });
  app.get('/metrics', async (_request, response) => {
    response.setHeader('content-type', registry.contentType);
    response.end(await registry.metrics());
  });
  return app;
}
