import { createServer, type Server } from 'node:http';
import { sendJson } from '../../foundation/http.ts';
import type { Registry } from 'prom-client';

export interface Problem {
  code: string;
  message: string;
}

/** `/healthz`, `/readyz` and `/metrics`, on a port that clients do not reach. */
export function createProbeServer(registry: Registry, problems: () => Problem[]): Server {
  return createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path === '/healthz') sendJson(response, 200, { alive: true });
    else if (path === '/readyz') {
      const found = problems();
      sendJson(response, found.length === 0 ? 200 : 503, { ready: found.length === 0, problems: found });
    } else if (path === '/metrics') {
      registry.metrics().then(
        (text) => {
          response.writeHead(200, { 'content-type': registry.contentType });
          response.end(text);
        },
        () => {
          response.writeHead(500).end();
        },
      );
    } else
      sendJson(response, 404, {
        error: { code: 'not_found', message: 'There are /healthz, /readyz and /metrics here.' },
      });
  });
}
