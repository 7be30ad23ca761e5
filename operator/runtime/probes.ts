import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { sendJson } from '../../foundation/http.ts';

export interface Problem {
  code: string;
  message: string;
}

export interface Probes {
  registry: Registry;
  /** Only what a restart can mend. */
  deadly: () => Problem[];
  /** Why this replica could not do its work now. */
  unready: () => Problem[];
}

/** `/healthz`, `/readyz` and `/metrics`. */
export function createProbeServer({ registry, deadly, unready }: Probes): Server {
  return createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0];
    if (path === '/healthz') {
      const problems = deadly();
      sendJson(response, problems.length === 0 ? 200 : 503, { alive: problems.length === 0, problems });
    } else if (path === '/readyz') {
      const problems = unready();
      sendJson(response, problems.length === 0 ? 200 : 503, { ready: problems.length === 0, problems });
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
